"""A region's verdict about a website, and how checks change it. Pure."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from monitor.domain.outcome import Outcome, Reason, Result

CONFIRMATIONS = 2
"""Consecutive failures for a down verdict, the last at least RECHECK_AFTER_S after the first."""

RECHECK_AFTER_S = 15
"""An unconfirmed failure is checked again after this time: the first one, and one so soon after it
that it may be the same blip, since its check may have replaced the re-check."""

ON_TIME_S = 5
"""A check that starts within this time of its slot counts as made at its slot."""

CLOCKS_APART_S = 60
"""Clocks may differ by this much. A time further ahead was written by a clock that was wrong, and
is ignored."""

REPORT_EVERY = 64
"""A lasting down verdict is reported again after every this many failures."""

_COUNT_WRAPS = 256
"""Failures are stored in one byte. Stepping back by REPORT_EVERY keeps reaching its multiples."""


class Verdict(StrEnum):
    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class RegionState(Struct, frozen=True):
    """The state of a website in a region. Times are Unix seconds of slots; 0 means never.

    ``since_s`` is when the verdict began: for down, the slot of the first failure. ``failures``
    counts consecutive ones; after 255 it continues at 192, so that it fits into a byte and always
    changes.
    """

    slot_s: int = 0
    verdict: Verdict = Verdict.UNKNOWN
    since_s: int = 0
    failures: int = 0
    first_failure_s: int = 0
    reason: Reason | None = None
    status_code: int = 0
    response_ms: float | None = None


class Outage(Struct, frozen=True):
    """An outage as a region saw it: since when, and the last reason."""

    since_s: int
    reason: Reason | None = None
    status_code: int = 0


class Flip(Struct, frozen=True):
    """A changed verdict of a region. ``at_s`` is when it began, ``slot_s`` the deciding check.

    ``ended``: for a flip to up, the outage that ended, because the report of its beginning may be
    lost or arrive later.
    """

    website_id: UUID
    region: str
    verdict: Verdict
    at_s: int
    slot_s: int
    reason: Reason | None = None
    status_code: int = 0
    evidence: str = ""
    ended: Outage | None = None


class Decision(Struct, frozen=True):
    """The consequence of a check: the new state, whether to report it, whether to re-check.

    A changed verdict is reported. A down verdict is reported again after 4, 8, 16, 32 failures and
    then every 64, in case a report was lost.
    """

    state: RegionState
    report: bool = False
    recheck: bool = False
    ended: Outage | None = None


def seen_at(slot_s: int, begun_s: float) -> int:
    """The time of observation of a slot's check that started at ``begun_s``, in Unix seconds.

    After a stall, the checks of two slots may run at once. They observe the same moment: one
    failure, not two that confirm each other.
    """
    return slot_s if begun_s - slot_s <= ON_TIME_S else int(begun_s)


def is_due(before: RegionState, slot_s: int, now_s: float) -> bool:
    """Whether a website still has to be checked for a slot."""
    return before.slot_s < slot_s or is_ahead(before.slot_s, now_s)


def is_in_doubt(before: RegionState) -> bool:
    """Whether the next outcome may change the verdict, or confirm a failure."""
    return before.verdict is not Verdict.UP or before.failures > 0


def is_ahead(slot_s: int, now_s: float) -> bool:
    """Whether a slot is so far ahead that the clock behind it must have been wrong."""
    return slot_s > now_s + CLOCKS_APART_S


def decide(
    before: RegionState, outcome: Outcome, slot_s: int, seen_s: int | None = None
) -> Decision | None:
    """Apply an outcome to the state of a region. None: nothing was measured, change nothing.

    ``seen_s``: the time of observation, if it is not the slot; see ``seen_at``.

    A first verdict of up is not a flip: a website counts as up until a region reports otherwise.
    """
    seen_s = slot_s if seen_s is None else seen_s
    if outcome.result is Result.NOT_MEASURED or not is_due(before, slot_s, seen_s):
        return None
    if is_ahead(before.slot_s, seen_s):
        before = replace(before, failures=0)
    if outcome.result is Result.UP:
        return _decide_up(before, outcome, slot_s)
    return _decide_down(before, outcome, slot_s, seen_s)


def _decide_up(before: RegionState, outcome: Outcome, slot_s: int) -> Decision:
    since = before.since_s if before.verdict is Verdict.UP else slot_s
    state = RegionState(
        slot_s=slot_s,
        verdict=Verdict.UP,
        since_s=since,
        status_code=outcome.status_code,
        response_ms=outcome.response_ms,
    )
    if before.verdict is not Verdict.DOWN:
        return Decision(state)
    ended = Outage(before.since_s, before.reason, before.status_code)
    return Decision(state, report=True, ended=ended)


def _decide_down(before: RegionState, outcome: Outcome, slot_s: int, seen_s: int) -> Decision:
    failures = before.failures + 1
    first = before.first_failure_s if before.failures else seen_s
    # A slot may follow closely on the first failure; a blip that covers both is not an outage.
    lasted = failures >= CONFIRMATIONS and seen_s - first >= RECHECK_AFTER_S
    confirmed = before.verdict is Verdict.DOWN or lasted
    flipped = confirmed and before.verdict is not Verdict.DOWN
    state = RegionState(
        slot_s=slot_s,
        verdict=Verdict.DOWN if confirmed else before.verdict,
        since_s=first if flipped else before.since_s,
        failures=failures if failures < _COUNT_WRAPS else failures - REPORT_EVERY,
        first_failure_s=first,
        reason=outcome.reason,
        status_code=outcome.status_code,
        response_ms=outcome.response_ms,
    )
    repeated = confirmed and _is_reported_again(failures)
    return Decision(state, report=flipped or repeated, recheck=not confirmed)


def _is_reported_again(failures: int) -> bool:
    """Often at first, when a lost report matters most, then at regular intervals."""
    return failures % REPORT_EVERY == 0 or failures & (failures - 1) == 0


def flip_of(website_id: UUID, region: str, decision: Decision, outcome: Outcome) -> Flip:
    """The flip that reports a decision."""
    state = decision.state
    return Flip(
        website_id,
        region,
        state.verdict,
        state.since_s,
        state.slot_s,
        outcome.reason,
        outcome.status_code,
        outcome.evidence,
        decision.ended,
    )


def freshness_s(check_frequency_s: int, request_timeout_s: int) -> int:
    """How long a verdict counts after the slot of its check: about two intervals."""
    return 2 * check_frequency_s + request_timeout_s + 60


def is_fresh(slot_s: int, check_frequency_s: int, request_timeout_s: int, now_s: float) -> bool:
    """Whether a verdict still counts; see ``freshness_s``."""
    oldest_s = now_s - freshness_s(check_frequency_s, request_timeout_s)
    return slot_s > 0 and slot_s >= oldest_s and not is_ahead(slot_s, now_s)
