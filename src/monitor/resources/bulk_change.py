"""Changing all matching websites: validation of the change, alone and against them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from monitor.domain.errors import Conflict, FieldProblem, InvalidInput
from monitor.resources.check_options import DEFAULT_KIND, KINDS, SECRETS, CheckOptions
from monitor.resources.fields import Values
from monitor.resources.secrets import MASK
from monitor.resources.website import Draft, changed_website, draft


class NotConfirmed(Conflict):
    """``confirm`` is missing, or is not the number of websites that match: ``matched``."""

    def __init__(self, matched: int, confirm: int | None) -> None:
        count = f"{matched} website{' matches' if matched == 1 else 's match'}"
        claim = "" if confirm is None else f", not {confirm}"
        message = f"{count}{claim}: nothing was changed. To proceed, add confirm={matched}."
        super().__init__("count_not_confirmed", message)
        self.matched = matched


class Timing(Struct, frozen=True):
    """A combination of kind, interval and timeout (seconds), and how many websites have it."""

    kind: str
    check_frequency: int
    request_timeout: int
    websites: int


def changed_websites(body: object) -> Values:
    """Validate the body that changes many websites.

    Raises InvalidInput, also for external_id, which is unique, and for masks, which stand for a
    different value in each website.
    """
    if not isinstance(body, dict) or "external_id" not in body:
        return _without_masks(changed_website(body))
    problem = FieldProblem("external_id", "is unique, so it cannot be given to many websites")
    try:
        changed_website({name: value for name, value in body.items() if name != "external_id"})
    except InvalidInput as error:
        raise InvalidInput([problem, *error.problems]) from None
    raise InvalidInput([problem])


def _without_masks(sent: Values) -> Values:
    masked = [n for n, secret in SECRETS.items() if n in sent and secret.has_mask(sent[n])]
    message = f"holds {MASK}, which stands for each website's own hidden value: send the value"
    if masked:
        raise InvalidInput([FieldProblem(name, message) for name in masked])
    return sent


def check_timings(sent: Values, timings: Sequence[Timing]) -> None:
    """Raise InvalidInput if the fields contradict the timing of some websites.

    The message says how many websites are affected.
    """
    refusals = [(t, error) for t in timings if (error := _refusal(sent, t)) is not None]
    if refusals:
        first = refusals[0][1].problems[0]
        count, total = sum(t.websites for t, _ in refusals), sum(t.websites for t in timings)
        raise InvalidInput.of(
            first.field, f"{first.message}; this is the case for {count} of these {total} websites"
        )


def _refusal(sent: Values, timing: Timing) -> InvalidInput | None:
    try:
        draft(sent, _draft("http://timing/", "", timing))
    except InvalidInput as error:
        return error
    return None


def renames(sent: Values) -> bool:
    """Whether names or URLs change, and with them what is searched; a default name follows the
    URL."""
    return "name" in sent or "url" in sent


def new_name(sent: Values, url: str, name: str) -> str:
    """The new name of a website with this URL and name, whatever its timing."""
    own = {field: sent[field] for field in ("url", "name") if field in sent}
    return draft(own, _draft(url, name, Timing(DEFAULT_KIND, 180, 15, 1))).name


def _draft(url: str, name: str, timing: Timing) -> Draft:
    check: CheckOptions = KINDS[timing.kind](
        url=url, check_frequency=timing.check_frequency, request_timeout=timing.request_timeout
    )
    return Draft(
        name=name, check=check, regions=None, paused=False, alert_emails=(), external_id=None
    )
