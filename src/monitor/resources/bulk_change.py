"""Changing every website that matches: what may be sent, and whether it suits all of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct

from monitor.domain.errors import Conflict, FieldProblem, InvalidInput
from monitor.domain.website import CheckOptions
from monitor.resources.secrets import MASK, has_mask
from monitor.resources.validation import Draft, WebsiteFields, changed_website, draft


class NotConfirmed(Conflict):
    """The caller did not say how many websites match, or no longer rightly; ``matched`` do."""

    def __init__(self, matched: int, confirm: int | None) -> None:
        found = f"{matched} website{' matches' if matched == 1 else 's match'}"
        said = "" if confirm is None else f", not {confirm}"
        message = f"{found}{said}: nothing was changed. If that is meant, add confirm={matched}."
        super().__init__("count_not_confirmed", message)
        self.matched = matched


class Timing(Struct, frozen=True):
    """The seconds that bound each other, and how many of the websites have them."""

    check_frequency: int
    request_timeout: int
    websites: int


def changed_websites(body: object) -> WebsiteFields:
    """Check what was sent to change many websites: external_id, which is unique, may not be in it,
    nor what stands for a hidden value, which each of them has its own.

    Raises InvalidInput.
    """
    if not isinstance(body, dict) or "external_id" not in body:
        return _without_masks(changed_website(body))
    problem = FieldProblem("external_id", "is unique, so it cannot be given to many websites")
    try:
        changed_website({name: value for name, value in body.items() if name != "external_id"})
    except InvalidInput as error:
        raise InvalidInput([problem, *error.problems]) from None
    raise InvalidInput([problem])


def _without_masks(fields: WebsiteFields) -> WebsiteFields:
    headers = fields.request_headers
    hides = {
        "request_headers": headers is not UNSET and has_mask(headers),
        "request_body": fields.request_body == MASK,
    }
    message = f"holds {MASK}, which stands for each website's own hidden value: send the value"
    if problems := [FieldProblem(name, message) for name, masked in hides.items() if masked]:
        raise InvalidInput(problems)
    return fields


def check_timings(fields: WebsiteFields, timings: Sequence[Timing]) -> None:
    """Raises InvalidInput where the fields contradict what some of the websites have, and says
    for how many of them."""
    refused = [(t, error) for t in timings if (error := _refusal(fields, t)) is not None]
    if refused:
        first = refused[0][1].problems[0]
        count, total = sum(t.websites for t, _ in refused), sum(t.websites for t in timings)
        raise InvalidInput.of(
            first.field, f"{first.message}; so it is with {count} of these {total} websites"
        )


def _refusal(fields: WebsiteFields, timing: Timing) -> InvalidInput | None:
    try:
        draft(fields, _draft("http://timing/", "", timing))
    except InvalidInput as error:
        return error
    return None


def names_follow(fields: WebsiteFields) -> bool:
    """Whether the name that a website gets has to be worked out from its URL and name."""
    return fields.name is None or (fields.name is UNSET and fields.url is not UNSET)


def new_name(fields: WebsiteFields, url: str, name: str) -> str:
    """The name that the fields give to a website of this URL and name; its timing is left out."""
    own = WebsiteFields(url=fields.url, name=fields.name)
    return draft(own, _draft(url, name, Timing(180, 15, 1))).name


def _draft(url: str, name: str, timing: Timing) -> Draft:
    check = CheckOptions(url, timing.check_frequency, timing.request_timeout)
    return Draft(
        name=name, check=check, regions=None, paused=False, alert_emails=(), external_id=None
    )
