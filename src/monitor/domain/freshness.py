"""When a region had a verdict that counted, and when it was down, in the past. Pure.

What ``domain.verdict.is_fresh`` says of every second, told from the schedule of a website and the
slots that were missed. A verdict is as old as the slot of its check; checks out of turn fill no
slot, so they make none younger.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

from msgspec import Struct

from monitor.domain.ring import POSITIONS, turns_before
from monitor.domain.schedule import Period, Schedule
from monitor.domain.verdict import Verdict, freshness_s
from monitor.domain.windows import Window, intersection, union


class Checked(Struct, frozen=True):
    """How a website is checked, as far as it decides how long its verdicts count.

    ``position``: on its rings. ``request_timeout_s``: as it is now; what it was is not kept.
    ``settled_s``: slots whose turn is later may still be in progress.
    """

    position: int
    request_timeout_s: int
    settled_s: int


class Change(Struct, frozen=True, order=True):
    """A region's verdict changed: since ``at_s`` it was this one."""

    at_s: int
    verdict: Verdict


def paused(schedule: Schedule) -> list[Window]:
    """When the website was paused."""
    return [_seconds(p) for p in schedule.periods if p.check_frequency is None]


def checked(schedule: Schedule, region: str) -> list[Window]:
    """When the website was checked from this region, as windows that do not touch.

    A verdict ends with them: whoever pauses a website, or takes a region from it, forgets it.
    """
    return union(map(_seconds, _active(schedule, region)))


def fresh(
    schedule: Schedule, region: str, website: Checked, missed: Iterable[Window]
) -> list[Window]:
    """When a verdict of this region counted.

    ``missed``: from the first missed slot to the one that is due next after the last missed one, as
    ``domain.rollup`` has gaps; or time of which nothing is known.
    """
    gaps = union(missed)
    counted: list[Window] = []
    latest: list[int] = []
    before: Period | None = None
    for period in _active(schedule, region):
        if before is None or before.until_s != period.since_s:
            latest = []
        rows = list(_rows(period, website, gaps))
        for first_s, last_s in [*zip(latest, latest, strict=True), *rows]:
            counted.append(_counting(first_s, last_s, period, website.request_timeout_s))
        latest = _latest(latest, rows, period)
        before = period
    return union(counted)


def _latest(before: Sequence[int], rows: Sequence[tuple[int, int]], period: Period) -> list[int]:
    """The last two slots that were measured up to the end of this period.

    The last one may lie in the next period, as only its turn must be in its own: until then the
    verdict of the one before it counts.
    """
    assert period.check_frequency is not None  # of active periods
    lasts = [
        slot_s
        for first_s, last_s in rows[-2:]
        for slot_s in (last_s - period.check_frequency, last_s)
        if slot_s >= first_s
    ]
    return [*before, *lasts][-2:]


def down(changes: Iterable[Change], stretches: Sequence[Window]) -> list[Window]:
    """When a region's verdict was down.

    ``stretches``: when the website was checked from this region, see ``checked``.
    """
    windows: list[Window] = []
    for change, following in pairwise([*sorted(changes), Change(FOREVER_S, Verdict.UNKNOWN)]):
        if change.verdict is Verdict.DOWN:
            stretch = [w for w in stretches if change.at_s < w.until_s][:1]
            windows += intersection(stretch, union([Window(change.at_s, following.at_s)]))
    return union(windows)


def _active(schedule: Schedule, region: str) -> list[Period]:
    """The periods in which it was checked from this region, in order, without empty ones."""
    periods = [
        p
        for p in schedule.of_region(region)
        if p.check_frequency is not None and (p.until_s is None or p.since_s < p.until_s)
    ]
    return sorted(periods, key=lambda p: p.since_s)


def _rows(period: Period, website: Checked, gaps: Sequence[Window]) -> Iterator[tuple[int, int]]:
    """The first and the last of each row of slots of a period that were all measured."""
    assert period.check_frequency is not None  # of active periods
    slots = _Slots(website.position, period.check_frequency)
    begin_s = slots.of_first_turn(math.ceil(period.since_s))
    end_s = slots.of_first_turn(min(website.settled_s, _end(period.until_s)))
    for gap in islice(gaps, bisect_right(gaps, begin_s, key=lambda g: g.until_s), None):
        if gap.since_s >= end_s:
            break
        yield from slots.row(begin_s, gap.since_s)
        begin_s = gap.until_s
    yield from slots.row(begin_s, end_s)


class _Slots(Struct, frozen=True):
    """The slots of a website at this position."""

    position: int
    interval_s: int

    def of_first_turn(self, at_s: int) -> int:
        """The slot of the first turn at ``at_s`` or later; it is due if that turn is."""
        turns = turns_before(self.position, self.interval_s, at_s)
        return turns * self.interval_s + self._offset_s

    def row(self, begin_s: int, end_s: int) -> Iterator[tuple[int, int]]:
        """The first and the last slot in [begin_s, end_s), if there is one."""
        first_s = begin_s + (self._offset_s - begin_s) % self.interval_s
        if first_s < end_s:
            yield first_s, end_s - 1 - (end_s - 1 - self._offset_s) % self.interval_s

    @property
    def _offset_s(self) -> int:
        return self.position * self.interval_s // POSITIONS


def _counting(first_s: int, last_s: int, period: Period, request_timeout_s: int) -> Window:
    """When the verdicts of a row of slots counted in this period, whose interval decides how long.

    Within a row the next verdict comes before the last one is too old.
    """
    assert period.check_frequency is not None  # of active periods
    own = _seconds(period)
    lasts_s = freshness_s(period.check_frequency, request_timeout_s) + 1
    return Window(max(first_s, own.since_s), min(last_s + lasts_s, own.until_s))


FOREVER_S = 2**40
"""The end of what lasts: far beyond every window."""


def _end(until_s: float | None) -> int:
    return FOREVER_S if until_s is None else math.ceil(until_s)


def _seconds(period: Period) -> Window:
    """A period in whole seconds. Both edges are cut alike, so that periods touch as they did."""
    until_s = FOREVER_S if period.until_s is None else math.floor(period.until_s)
    return Window(math.floor(period.since_s), until_s)
