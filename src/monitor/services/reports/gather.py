"""Gathers what is stored about websites in a window: a query for each table, however many they are.

Days come from daily roll-ups, the hours at the edges of the window from hourly ones, and only the
hours that are not rolled up yet from ticks.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from msgspec import Struct, structs
from redis.asyncio import Redis

from monitor.domain.errors import Unavailable
from monitor.domain.freshness import Change, Checked
from monitor.domain.ids import ring_position
from monitor.domain.report import Gathered, Kept, Pieces, pieces, regions_of
from monitor.domain.rollup import Rollup, with_missing
from monitor.domain.schedule import RegionSchedule, Schedule, settled_s
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.windows import Window
from monitor.resources.website import Website
from monitor.runtime.logging import get_logger
from monitor.storage.postgres import flips, history, schedules
from monitor.storage.postgres.flips import RecordedFlip
from monitor.storage.postgres.pool import Pool, session
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.contract import KeptDays, TickStore
from monitor.storage.timeseries.totals import Totals

log = get_logger(__name__)

_WITHOUT_HISTOGRAM_S = 2 * HOUR_S
"""So long before they are to go, the histograms of hours may be gone: those are dropped by the
hour, and not by the second."""


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
    read: Pieces

    @classmethod
    async def begin(cls, sources: Sources, window: Window) -> Gathering:
        """Find out what is rolled up. Raises Unavailable."""
        hours_until_s, days_until_s = await _rolled_up(sources)
        oldest_s = sources.now_s - sources.kept.raw * DAY_S + _WITHOUT_HISTOGRAM_S
        kept = Kept(oldest_s, hours_until_s, days_until_s)
        return cls(sources, window, pieces(window, kept))

    async def gather(self, websites: Sequence[Website]) -> dict[UUID, Gathered]:
        """What is stored of each of these websites. Raises Unavailable."""
        ids = [w.id for w in websites]
        read = self.read
        facts, before, days, hours, totals = await asyncio.gather(
            self._facts(ids),
            self._hours(ids, read.hours_before),
            self._days(ids),
            self._hours(ids, read.hours),
            self._totals(ids),
        )
        return {
            website.id: self._of(
                website,
                facts,
                _Stored(
                    before.get(website.id, []),
                    days.get(website.id, []),
                    hours.get(website.id, []),
                    totals.get(website.id, []),
                ),
            )
            for website in websites
        }

    async def _facts(self, ids: Sequence[UUID]) -> _Facts:
        since_s, until_s = structs.astuple(self.read.window)
        since, until = (dt.datetime.fromtimestamp(s, dt.UTC) for s in (since_s, until_s))
        async with session(self.sources.pool) as connection:
            return _Facts(
                await schedules.fetch(connection, ids, since_s),
                await history.spans(connection, ids, since_s),
                await flips.fetch(connection, ids, since, until),
            )

    async def _hours(self, ids: Sequence[UUID], part: Window) -> Mapping[UUID, list[Rollup]]:
        if part.since_s == part.until_s:
            return {}
        return await self.sources.ticks.hourly(ids, None, part.since_s, part.until_s)

    async def _days(self, ids: Sequence[UUID]) -> Mapping[UUID, list[Rollup]]:
        part = self.read.days
        if part.since_s == part.until_s:
            return {}
        return await self.sources.ticks.daily(ids, None, part.since_s, part.until_s)

    async def _totals(self, ids: Sequence[UUID]) -> Mapping[UUID, list[Totals]]:
        part = self.read.ticks
        if part.since_s == part.until_s:
            return {}
        return await self.sources.ticks.totals(ids, part.since_s, part.until_s)

    def _of(self, website: Website, facts: _Facts, stored: _Stored) -> Gathered:
        schedule = facts.schedules[website.id]
        settled = settled_s(self.sources.now_s, website.check.request_timeout)
        checked = Checked(ring_position(website.id), website.check.request_timeout, settled)
        names = {*regions_of(schedule, self.read.window), *stored.regions()}
        regions = {n: self._region(website.id, n, schedule, checked, stored) for n in sorted(names)}
        return Gathered(
            math.floor(website.created_at.timestamp()),
            checked,
            schedule,
            {name: [r for r, _ in rows] for name, rows in regions.items()},
            {name: _unknown(rows) for name, rows in regions.items()},
            _changes(facts.flips.get(website.id, ())),
            facts.incidents.get(website.id, ()),
        )

    def _region(
        self, website_id: UUID, name: str, schedule: Schedule, checked: Checked, stored: _Stored
    ) -> list[tuple[Rollup, int]]:
        """The roll-ups of a region in order of time, each with where it ends."""
        due = RegionSchedule(schedule, checked.position, name)
        parts = (
            (stored.before, self.read.hours_before, HOUR_S),
            (stored.days, self.read.days, DAY_S),
            (stored.hours, self.read.hours, HOUR_S),
        )
        rollups = [
            (rollup, rollup.start_s + width_s)
            for rows, part, width_s in parts
            for rollup in with_missing(
                [r for r in rows if r.region == name], due, part.since_s, part.until_s, width_s
            )
        ]
        part = self.read.ticks
        if part.since_s < part.until_s:
            nothing = Totals(website_id, name)
            own = next((t for t in stored.totals if t.region == name), nothing)
            settled_until_s = max(min(part.until_s, checked.settled_s), part.since_s)
            width_s = settled_until_s - part.since_s
            rollups.append((own.rollup(part.since_s, schedule, width_s=width_s), part.until_s))
        return rollups


class _Facts(Struct, frozen=True):
    """What Postgres has of websites."""

    schedules: Mapping[UUID, Schedule]
    incidents: Mapping[UUID, Sequence[Window]]
    flips: Mapping[UUID, Sequence[RecordedFlip]]


class _Stored(Struct, frozen=True):
    """What the tick store has of a website: a list for each part of what is read."""

    before: Sequence[Rollup]
    days: Sequence[Rollup]
    hours: Sequence[Rollup]
    totals: Sequence[Totals]

    def regions(self) -> set[str]:
        rows = (self.before, self.days, self.hours)
        return {r.region for part in rows for r in part} | {t.region for t in self.totals}


def _unknown(rollups: Sequence[tuple[Rollup, int]]) -> list[Window]:
    """The time of the roll-ups that do not say what was due."""
    return [Window(r.start_s, end_s) for r, end_s in rollups if r.expected is None]


def _changes(rows: Sequence[RecordedFlip]) -> dict[str, list[Change]]:
    """The changes of verdicts by region; the rows are ordered by it."""
    return {
        region: [Change(f.at_s, f.verdict) for f in of_region]
        for region, of_region in groupby(rows, key=lambda f: f.region)
    }


async def _rolled_up(sources: Sources) -> tuple[int, int]:
    """Up to where hours and days are rolled up. Without Redis, which knows, the store is asked."""
    try:
        hour_s = await TickBuffer(sources.redis, 0).rolled_up()
    except Unavailable as error:
        log.warning("reports.rolled_up_unknown", error=str(error))
        hour_s = None
    if hour_s is None:
        hour_s = await sources.ticks.last_rolled_up()
    until_s = 0 if hour_s is None else hour_s + HOUR_S
    return until_s, until_s // DAY_S * DAY_S
