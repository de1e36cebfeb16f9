"""When a website was due: the periods of its schedule, and how many slots they hold. Pure.

Times are Unix seconds. Periods are half-open, and last where ``until_s`` is None.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import Struct

from monitor.domain.ring import MINUTE_S, POSITIONS, turn_of, turns_before
from monitor.domain.series import Plan

_STORED_WITHIN_S = 10
"""How long after a check's time-out its tick is stored, at most, by a region that keeps up."""


class Lifetime(Struct, frozen=True):
    """A region existed from ``since_s`` to ``until_s``."""

    region: str
    since_s: float
    until_s: float | None = None


class Period(Struct, frozen=True):
    """How a website was checked for some time.

    ``check_frequency``: the interval in seconds; None: it was paused. ``regions``: None: every
    region that existed.
    """

    since_s: float
    until_s: float | None
    check_frequency: int | None
    regions: tuple[str, ...] | None = None


class Span(Struct, frozen=True):
    """Time in which it is known what was due, and what was measured is stored."""

    since_s: float
    until_s: float


class Schedule(Struct, frozen=True):
    """The periods of a website in order of time, without gaps, and the lifetimes of regions."""

    periods: Sequence[Period]
    lifetimes: Sequence[Lifetime]

    def known(self, plan: Plan, created_s: float, settled_s: int) -> Span | None:
        """The part of a chart that is known and settled; None if there is none.

        It begins with a bucket, because buckets cannot be split, or where the website was created.
        """
        if not self.periods:
            return None
        since_s = self.periods[0].since_s
        if since_s > created_s:
            since_s = math.ceil(since_s / plan.width_s) * plan.width_s
        since_s = max(since_s, plan.since_s)
        return Span(since_s, settled_s) if since_s < settled_s else None

    def due(self, position: int, region: str, span: Span) -> int:
        """How many slots of the website at this position were due in this region.

        A slot is due if its turn is in a period (see ``ring.turn_of_cycle``). Where a ring has so
        many websites that a minute's batch is split, the website's part of it may come up to a
        minute after its turn. A change between the two makes this one slot more or fewer than were
        dispatched.
        """
        slots = 0
        for period in self.of_region(region):
            every_s = period.check_frequency
            begin_s, end_s = _seconds_of(period, span)
            if every_s is not None and begin_s < end_s:
                slots += turns_before(position, every_s, end_s)
                slots -= turns_before(position, every_s, begin_s)
        return slots

    def of_region(self, region: str) -> Iterator[Period]:
        """The periods, or parts of them, in which the website was checked from this region."""
        lifetimes = [life for life in self.lifetimes if life.region == region]
        lifetimes.sort(key=lambda life: life.since_s)
        for period in self.periods:
            if period.regions is None:
                yield from (_during(period, life) for life in lifetimes)
            elif region in period.regions:
                yield period


class RegionSchedule(Struct, frozen=True):
    """The slots of a website at a position on its ring, in one region."""

    schedule: Schedule
    position: int
    region: str

    def slots(self, since_s: int, until_s: int) -> list[tuple[int, int]]:
        """The slots that were due, whose turns are in [since_s, until_s): (turn, slot), in order.

        As many as ``Schedule.due`` counts.
        """
        return [
            (turn_of(slot_s, slots.step), slot_s)
            for slots in self.rows(since_s, until_s)
            for slot_s in slots
        ]

    def rows(self, since_s: int, until_s: int) -> Iterator[range]:
        """The same slots as one row for each period, whatever its length."""
        span = Span(since_s, until_s)
        for period in self.schedule.of_region(self.region):
            every_s = period.check_frequency
            begin_s, end_s = _seconds_of(period, span)
            if every_s is None or begin_s >= end_s:
                continue
            offset_s = self.position * every_s // POSITIONS
            edges = (turns_before(self.position, every_s, at_s) for at_s in (begin_s, end_s))
            first_s, next_s = (turns * every_s + offset_s for turns in edges)
            if first_s < next_s:
                yield range(first_s, next_s, every_s)

    def missed(self, rows: Sequence[range], filled_s: Sequence[int]) -> list[range]:
        """The slots among ``rows`` in which none of these seconds, ascending, falls: a range for
        each row of them.

        A check's second lies between the turn of its slot and the slot, both included.
        """
        if len(self.schedule.periods) == 1 and sum(map(len, rows)) == len(filled_s):
            return []  # as nearly always: without a change, no slot is filled twice
        return [missed for row in rows for missed in _unfilled(row, filled_s)]

    def next_slot_s(self, slot_s: int) -> int:
        """The slot due next after this one, or where the region stopped checking if that is sooner.

        ``slot_s``: a slot that was due.
        """
        ends_s = slot_s
        for period in self.schedule.of_region(self.region):
            every_s = period.check_frequency
            if every_s is None or (period.until_s is not None and period.until_s <= ends_s):
                continue
            if period.since_s > ends_s:
                break
            begin_s = max(slot_s + 1, math.ceil(period.since_s))
            next_s = _slot_from(self.position, every_s, begin_s)
            if turn_of(next_s, every_s) < period.since_s:
                next_s += every_s
            if period.until_s is None or turn_of(next_s, every_s) < period.until_s:
                return next_s
            ends_s = math.ceil(period.until_s)
        return ends_s


def _during(period: Period, life: Lifetime) -> Period:
    ends = [end for end in (period.until_s, life.until_s) if end is not None]
    since_s = max(period.since_s, life.since_s)
    return Period(since_s, min(ends, default=None), period.check_frequency)


def _unfilled(row: range, filled_s: Sequence[int]) -> Iterator[range]:
    """The slots of a row before, between and after those that are filled."""
    begin_s, every_s = row.start, row.step
    first = bisect_left(filled_s, begin_s - MINUTE_S)
    for second in islice(filled_s, first, None):
        slot_s = max(second + (row.start - second) % every_s, row.start)
        if slot_s >= row.stop:
            break
        if turn_of(slot_s, every_s) <= second:
            if begin_s < slot_s:
                yield range(begin_s, slot_s, every_s)
            begin_s = max(begin_s, slot_s + every_s)
    if begin_s < row.stop:
        yield range(begin_s, row.stop, every_s)


def _slot_from(position: int, every_s: int, at_s: int) -> int:
    """The first slot of a website at this position at ``at_s`` or later."""
    return at_s + (position * every_s // POSITIONS - at_s) % every_s


def _seconds_of(period: Period, span: Span) -> tuple[int, int]:
    """[begin, end) of a period within a span, in whole seconds, as turns are."""
    until_s = span.until_s if period.until_s is None else min(span.until_s, period.until_s)
    return math.ceil(max(span.since_s, period.since_s)), math.ceil(until_s)


def settled_s(now_s: float, request_timeout_s: int) -> int:
    """The end of the last minute whose slots have their ticks by now, where they were measured.

    Whole minutes, because a tick has the minute of its slot's turn, whatever part of the minute's
    batch its website was in.
    """
    return int(now_s - request_timeout_s - _STORED_WITHIN_S) // MINUTE_S * MINUTE_S
