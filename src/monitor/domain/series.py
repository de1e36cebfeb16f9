"""Charts: the buckets of a time span, and how buckets are merged. Pure.

Times are Unix seconds. A bucket covers [start_s, start_s + width_s).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from monitor.domain.windows import Window

HOUR_S = 3600
DAY_S = 86_400
MAX_POINTS = 500
MAX_DAYS = 400
"""The longest chart."""
RAW_DAYS = 3
"""Spans up to this many days use raw ticks, longer ones hourly roll-ups."""


class Bucket(Struct, frozen=True):
    """The measurements of one region in one span. Response times are None without responses.

    ``measured``: checks with a response time, the weight of ``mean_ms``. ``out_of_turn``: checks
    that fill no slot: re-checks, and those made at once after a change.
    """

    region: str
    start_s: int
    checks: int
    up: int
    measured: int
    mean_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    out_of_turn: int = 0

    @property
    def in_turn(self) -> int:
        """How many slots have a check."""
        return self.checks - self.out_of_turn


class Plan(Struct, frozen=True):
    """The plan of a chart: [since_s, until_s) in buckets of ``width_s``, aligned to ``width_s``.

    [since_s, hourly_from_s) is read from daily roll-ups, [hourly_from_s, raw_from_s) from hourly
    ones, and the rest from raw ticks.
    """

    since_s: int
    until_s: int
    width_s: int
    hourly_from_s: int
    raw_from_s: int


_WIDTHS_S = (60, 120, 300, 600, 900, 1800, *(hours * HOUR_S for hours in (1, 2, 3, 6, 12)), DAY_S)
"""Widths that a person would choose."""


def plan(window: Window, now_s: int, check_frequency_s: int, raw_days: int) -> Plan:
    """The buckets of a window: at most 500, none narrower than the interval.

    ``raw_days``: how long raw ticks, and the histograms of hours, are kept. What is older has days
    alone.
    """
    span_s, kept_s = window.length_s, raw_days * DAY_S
    if now_s - window.since_s > kept_s:
        return _plan(window, DAY_S, DAY_S, now_s)
    finest_s = 1 if span_s <= RAW_DAYS * DAY_S else HOUR_S
    return _plan(window, _width_s(span_s, check_frequency_s, finest_s), finest_s, now_s)


def _width_s(span_s: int, check_frequency_s: int, finest_s: int) -> int:
    """The narrowest width that fits; one bucket a check is as good as any of a person's."""
    own_s = -(-check_frequency_s // finest_s) * finest_s
    # One bucket more than fit into the span, as its edges need not be multiples of the width.
    least_s = max(-(-span_s // (MAX_POINTS - 1)), own_s)
    return min(w for w in (*_WIDTHS_S, own_s) if w >= least_s and w % finest_s == 0)


def _plan(window: Window, width_s: int, finest_s: int, now_s: int) -> Plan:
    since_s = window.since_s - window.since_s % width_s
    until_s = window.until_s + -window.until_s % width_s
    if finest_s < HOUR_S:
        return Plan(since_s, until_s, width_s, since_s, since_s)
    raw_from_s = _within(now_s - now_s % HOUR_S - HOUR_S, since_s, until_s)
    if finest_s < DAY_S:
        return Plan(since_s, until_s, width_s, since_s, raw_from_s)
    # Yesterday may not be summed up yet.
    hourly_from_s = _within(now_s - now_s % DAY_S - DAY_S, since_s, raw_from_s)
    return Plan(since_s, until_s, width_s, hourly_from_s, raw_from_s)


def _within(at_s: int, since_s: int, until_s: int) -> int:
    return min(max(at_s, since_s), until_s)


class Uptime(Struct, frozen=True):
    """The share of checks that were up, and the measured share of the slots that were due.

    ``up_ratio`` is None where nothing was measured, ``measured_ratio`` where nothing was due or it
    is not known what was.
    """

    checks: int
    up_ratio: float | None
    measured_ratio: float | None


def uptime(buckets: Iterable[Bucket], filled: int, due: int) -> Uptime:
    """The uptime from one region's buckets. ``filled``: how many of the ``due`` slots have a check.

    More may be filled than were due, by one for each change of the schedule: see ``Schedule.due``.
    That is no more than all.
    """
    rows = list(buckets)
    checks = sum(b.checks for b in rows)
    up = sum(b.up for b in rows)
    measured_ratio = min(filled / due, 1.0) if due else None
    return Uptime(checks, up / checks if checks else None, measured_ratio)
