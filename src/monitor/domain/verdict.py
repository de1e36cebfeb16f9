"""What one region holds about one website, and how a check changes it. Pure."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from monitor.domain.outcome import Outcome, Reason, Result

CONFIRMATIONS = 2
"""Consecutive failures that make a verdict down, the last at least RECHECK_AFTER_S later."""

RECHECK_AFTER_S = 15
"""A failure that confirms nothing yet is checked again this soon: a first one, and one that comes
so soon after it that it may be the same blip. That one may have taken the place of the re-check."""

ON_TIME_S = 5
"""A check that begins within this of its slot counts as made then."""

CLOCKS_APART_S = 60
"""Clocks may differ by so much. What is dated further ahead was written by a clock that was wrong:
nothing waits until it comes true."""

REPORT_EVERY = 64
"""A verdict of down that lasts is reported again at every so many failures, for ever."""

_COUNT_WRAPS = 256
"""Failures are stored in one byte. Stepping back by REPORT_EVERY keeps its multiples coming."""


class Verdict(StrEnum):
    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class RegionState(Struct, frozen=True):
    """A region's memory of a website. Times are Unix seconds of slots; 0 means never.

    ``since_s`` is when the verdict began: for down, the slot of the first failure. ``failures``
    counts those in a row; after 255 it goes on from 192, so it fits a byte and never stands still.
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
    """What a region held while it found a website down: since when, and why at last."""

    since_s: int
    reason: Reason | None = None
    status_code: int = 0


class Flip(Struct, frozen=True):
    """A region's verdict changed. ``at_s`` is when it began, ``slot_s`` the check that decided.

    ``ended``: of one that turned up, the outage that is over: the report of its beginning may have
    been lost, or come later than this one.
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
    """What follows from a check: the new state, whether to report it, whether to look again.

    A verdict that changed is reported, and one of down again after 4, 8, 16, 32 failures and
    at every 64th: so that a report which got lost in any way is made good.
    """

    state: RegionState
    report: bool = False
    recheck: bool = False
    ended: Outage | None = None


def seen_at(slot_s: int, begun_s: float) -> int:
    """When the check of a slot that began at ``begun_s`` saw what it saw, in Unix seconds.

    After a stall the checks of two slots may be made at once. They see the same moment: one
    failure, not two that confirm each other.
    """
    return slot_s if begun_s - slot_s <= ON_TIME_S else int(begun_s)


def is_due(before: RegionState, slot_s: int, now_s: float) -> bool:
    """Whether a website is still to be checked for a slot."""
    return before.slot_s < slot_s or is_ahead(before.slot_s, now_s)


def is_ahead(slot_s: int, now_s: float) -> bool:
    """Whether a slot lies so far ahead that the clock it was taken from must have been wrong."""
    return slot_s > now_s + CLOCKS_APART_S


def decide(
    before: RegionState, outcome: Outcome, slot_s: int, seen_s: int | None = None
) -> Decision | None:
    """Apply one outcome to what a region held. None: nothing was learned, change nothing.

    ``seen_s``: when it was seen, where that is not at its slot; see ``seen_at``.

    The first verdict up is no flip: a website is taken as up until a region says otherwise.
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
    # A slot may follow the first failure closely; a blip that both fall into is no outage.
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
    again = confirmed and _is_told_again(failures)
    return Decision(state, report=flipped or again, recheck=not confirmed)


def _is_told_again(failures: int) -> bool:
    """Often at first, when a lost report hurts most, then steadily."""
    return failures % REPORT_EVERY == 0 or failures & (failures - 1) == 0


def flip_of(website_id: UUID, region: str, decision: Decision, outcome: Outcome) -> Flip:
    """The report of a decision."""
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


def is_fresh(slot_s: int, check_frequency_s: int, request_timeout_s: int, now_s: float) -> bool:
    """Whether a verdict still says something: its check is less than about two intervals old."""
    oldest_s = now_s - (2 * check_frequency_s + request_timeout_s + 60)
    return slot_s > 0 and slot_s >= oldest_s and not is_ahead(slot_s, now_s)
