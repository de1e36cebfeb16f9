"""Gathers what is stored about websites in a window: a query for each table, however many they are.

Days come from daily roll-ups, the hours at the edges of the window from hourly ones, and only the
hours that are not rolled up yet from ticks.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TypeVar
from uuid import UUID

from msgspec import Struct, structs
from redis.asyncio import Redis

from monitor.domain.errors import Unavailable
from monitor.domain.freshness import Change, Checked
from monitor.domain.ids import ring_position
from monitor.domain.report import Gathered, Kept, Pieces, pieces, regions_of
from monitor.domain.ring import MINUTE_S
from monitor.domain.rollup import Rollup, with_missing
from monitor.domain.schedule import RegionSchedule, Schedule, settled_s
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.verdict import freshness_s
from monitor.domain.windows import Window
from monitor.resources.website import Website
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.storage.postgres import flips, history, rolled_up_days, schedules
from monitor.storage.postgres.flips import RecordedFlip
from monitor.storage.postgres.pool import Pool, session
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.contract import KeptDays, TickStore
from monitor.storage.timeseries.totals import Totals

log = get_logger(__name__)

_WITHOUT_HISTOGRAM_S = 2 * HOUR_S
"""So long before they are to go, the histograms of hours may be gone: those are dropped by the
hour, and not by the second."""


_LONGEST_FRESHNESS_S = freshness_s(DAY_S, MINUTE_S)
"""No verdict lasts longer: that of a website with the longest interval and time-out."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sources:
    """The stores that reports are made from. ``kept``: for how long, as the settings say.
    ``now_s``: Unix seconds. ``turns``: to be taken for each page of a report about many websites,
    so that however many reports there are, other requests get their share of the processor."""

    pool: Pool
    redis: Redis
    ticks: TickStore
    kept: KeptDays
    now_s: int
    turns: asyncio.Semaphore


@dataclass(frozen=True, slots=True)
class Gathering:
    """What reports of one window are made from. ``read``: from where each part of it is read."""

    sources: Sources
    window: Window
    kept: Kept
    read: Pieces

    @classmethod
    async def begin(cls, sources: Sources, window: Window) -> Gathering:
        """Find out what is rolled up. Raises Unavailable."""
        oldest_s = sources.now_s - sources.kept.raw * DAY_S + _WITHOUT_HISTOGRAM_S
        kept = Kept(oldest_s, await _hours_until_s(sources), await _days(sources))
        return cls(sources, window, kept, pieces(window, kept))

    async def gather(self, websites: Sequence[Website]) -> dict[UUID, Gathered]:
        """What is stored of each of these websites. Raises Unavailable."""
        ids = [w.id for w in websites]
        facts = await self._facts(ids)
        # Where the window begins, verdicts of slots before it may count.
        oldest_s = self.read.window.since_s - _longest_s(websites, facts.schedules)
        lead = pieces(Window(oldest_s, self.read.window.since_s), self.kept)
        before, within = await tasks.gather(self._read(ids, lead), self._read(ids, self.read))
        return {website.id: self._of(website, facts, before, within) for website in websites}

    async def _facts(self, ids: Sequence[UUID]) -> _Facts:
        since_s, until_s = structs.astuple(self.read.window)
        since, until = (dt.datetime.fromtimestamp(s, dt.UTC) for s in (since_s, until_s))
        async with session(self.sources.pool) as connection:
            return _Facts(
                await schedules.fetch(connection, ids, since_s - _LONGEST_FRESHNESS_S),
                await history.spans(connection, ids, since_s),
                await flips.fetch(connection, ids, since, until),
            )

    async def _read(self, ids: Sequence[UUID], read: Pieces) -> _Stored:
        hours_before, days, hours, totals = await tasks.gather(
            _unless_empty(read.hours_before, partial(self.sources.ticks.hourly, ids, None)),
            _unless_empty(read.days, partial(self.sources.ticks.daily, ids, None)),
            _unless_empty(read.hours, partial(self.sources.ticks.hourly, ids, None)),
            _unless_empty(read.ticks, partial(self.sources.ticks.totals, ids)),
        )
        rollups = (
            (hours_before, read.hours_before, HOUR_S),
            (days, read.days, DAY_S),
            (hours, read.hours, HOUR_S),
        )
        return _Stored(rollups, totals, read.ticks)

    def _of(self, website: Website, facts: _Facts, before: _Stored, within: _Stored) -> Gathered:
        schedule = facts.schedules[website.id]
        settled = settled_s(self.sources.now_s, website.check.request_timeout)
        checked = Checked(ring_position(website.id), website.check.request_timeout, settled)
        names = regions_of(schedule, self.read.window)
        rollups, missed = {}, {}
        for name in names:
            due = RegionSchedule(schedule, checked.position, name)
            lead = before.of(website.id, due, settled)
            own = within.of(website.id, due, settled)
            rollups[name] = [rollup for rollup, _ in own]
            missed[name] = [w for part in (*lead, *own) for w in _missed(*part)]
        return Gathered(
            math.floor(website.created_at.timestamp()),
            checked,
            schedule,
            rollups,
            missed,
            _changes(facts.flips.get(website.id, ())),
            facts.incidents.get(website.id, ()),
        )


class _Facts(Struct, frozen=True):
    """What Postgres has of websites."""

    schedules: Mapping[UUID, Schedule]
    incidents: Mapping[UUID, Sequence[Window]]
    flips: Mapping[UUID, Sequence[RecordedFlip]]


class _Stored(Struct, frozen=True):
    """What the tick store has of websites: the roll-ups of each part and their width, and the
    totals of ticks."""

    rollups: Sequence[tuple[Mapping[UUID, Sequence[Rollup]], Window, int]]
    totals: Mapping[UUID, Sequence[Totals]]
    ticks: Window

    def of(self, website_id: UUID, due: RegionSchedule, settled_s: int) -> list[Part]:
        """The roll-ups of a website in a region, those in which nothing was measured among them."""
        parts = [
            (rollup, width_s)
            for rollups, window, width_s in self.rollups
            for rollup in with_missing(
                [r for r in rollups.get(website_id, ()) if r.region == due.region],
                due,
                window.since_s,
                window.until_s,
                width_s,
            )
        ]
        if self.ticks.length_s:
            width_s = max(min(self.ticks.until_s, settled_s) - self.ticks.since_s, 0)
            totals = self.totals.get(website_id, ())
            own = [t for t in totals if t.region == due.region] or [Totals(website_id, due.region)]
            rollup = own[0].rollup(self.ticks.since_s, due.schedule, width_s=width_s)
            parts.append((rollup, self.ticks.length_s))
        return parts


Part = tuple[Rollup, int]
"""A roll-up and its width in seconds."""


def _missed(rollup: Rollup, width_s: int) -> list[Window]:
    """Its gaps; all of its time where it is not known what was due."""
    if rollup.expected is None:
        return [Window(rollup.start_s, rollup.start_s + width_s)]
    return [Window(gap.since_s, gap.until_s) for gap in rollup.gaps]


def _longest_s(websites: Sequence[Website], known: Mapping[UUID, Schedule]) -> int:
    """How long a verdict about one of these websites lasted at most."""
    return max(
        (
            freshness_s(period.check_frequency, website.check.request_timeout)
            for website in websites
            for period in known[website.id].periods
            if period.check_frequency is not None
        ),
        default=0,
    )


async def _unless_empty(
    part: Window, read: Callable[[int, int], Awaitable[dict[UUID, list[T]]]]
) -> dict[UUID, list[T]]:
    """What is in this part, which is not asked for where it is empty."""
    return await read(part.since_s, part.until_s) if part.length_s else {}


def _changes(rows: Sequence[RecordedFlip]) -> dict[str, list[Change]]:
    """The changes of verdicts by region; the rows are ordered by it."""
    return {
        region: [Change(f.at_s, f.verdict) for f in of_region]
        for region, of_region in groupby(rows, key=lambda f: f.region)
    }


async def _hours_until_s(sources: Sources) -> int:
    """Up to where hours are rolled up. Without Redis, which knows, the store is asked."""
    try:
        hour_s = await TickBuffer(sources.redis, 0).rolled_up()
    except Unavailable as error:
        log.warning("reports.rolled_up_unknown", error=str(error))
        hour_s = None
    if hour_s is None:
        hour_s = await sources.ticks.last_rolled_up()
    return 0 if hour_s is None else hour_s + HOUR_S


async def _days(sources: Sources) -> Window:
    """The days that are rolled up."""
    async with session(sources.pool) as connection:
        done = await rolled_up_days.fetch(connection)
    return Window(0, 0) if done is None else Window(done.first_s, done.last_s + DAY_S)
