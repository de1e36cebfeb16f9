"""Rolls up the hours and the days that are over, repeats those with late ticks, and drops the
oldest history."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

from msgspec import Struct

from monitor.domain.errors import Misconfigured
from monitor.domain.schedule import Schedule
from monitor.domain.series import DAY_S, HOUR_S
from monitor.runtime.logging import get_logger
from monitor.runtime.settings import Settings
from monitor.services.checks.ticks import LATE_S
from monitor.storage.postgres import counts, flips, rolled_up_days, schedules
from monitor.storage.postgres.pool import Pool, session
from monitor.storage.postgres.rolled_up_days import DaysDone
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.contract import (
    KeptDays,
    Schedules,
    Stored,
    TickStore,
    not_needed,
)

log = get_logger(__name__)

SETTLED_S = LATE_S + 60
"""How long after its end an hour is rolled up. Ticks written later are late, even by a clock that
is a minute off."""

_MAX_BACK_S = 30 * DAY_S
"""Older hours are no longer rolled up: some of their raw ticks may be gone."""

_INITIAL_BACK_S = DAY_S
"""How far back roll-ups start where there is none yet."""


def kept_days(settings: Settings) -> KeptDays:
    """How long these settings keep ticks, hours and days."""
    return KeptDays(
        settings.monitor_raw_days, settings.monitor_rollup_days, settings.monitor_daily_days
    )


class Rebuilt(Struct, frozen=True):
    """How many hours and days were made again, and the starts of those that were left as they are:
    what they are made of is not all kept any more, or they are not over yet."""

    hours: int
    days: int
    hours_left: tuple[int, ...]
    days_left: tuple[int, ...]


async def _nobody(_hour_s: int) -> Stored:
    """Where nobody takes roll-ups while they are made."""
    return not_needed


async def _nothing(_hour_s: int) -> None:
    """Where nothing else is made of hours."""


@dataclass(frozen=True, slots=True)
class RollUps:
    """``now`` returns Unix seconds. ``added`` is called with each hour that was rolled up, and with
    the last one when a run begins, in case its call was interrupted; ``repeated`` with each that
    was rolled up again. ``beside`` is called before a new hour; what it returns gets its roll-ups
    from stores that hand them over. ``running`` is held by the current run."""

    ticks: TickStore
    buffer: TickBuffer
    pool: Pool
    kept: KeptDays
    now: Callable[[], float]
    added: Callable[[int], Awaitable[object]] = _nothing
    repeated: Callable[[int], Awaitable[object]] = _nothing
    beside: Callable[[int], Awaitable[Stored]] = _nobody
    running: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> int:
        """Roll up the hours and days that are over and not done yet; returns how many roll-ups.

        Usually that is one hour, and never more than 30 days of them. The oldest come first and
        each is noted, so that an interrupted run continues there. Days follow, then hours that got
        ticks after their roll-up, each with its day, and at last older days whose hours are kept.
        New hours come before each of them. If the previous run is still going, it takes the new
        hour too.
        """
        if self.running.locked():
            log.info("ticks.still_rolling_up")
            return 0
        async with self.running:
            return await self._run()

    async def _run(self) -> int:
        try:
            return await self._roll_up(days=True)
        except Misconfigured as error:
            # What keeps days alone from being stored must not keep hours waiting. If it is more,
            # it is raised again; hours that are done are not repeated.
            log.warning("ticks.days_not_rolled_up", error=str(error))
            return await self._roll_up(days=False)

    async def _roll_up(self, *, days: bool) -> int:
        """``days``: whether to roll up days, too; else they are made up for by a later run."""
        noted, first = await self.buffer.rolled_up(), await self._first_hour()
        # Takes back what a clock that was ahead noted.
        await self.buffer.note_rolled_up(first - HOUR_S)
        if noted is not None:
            await self.added(first - HOUR_S)
        hour, written = await self._new(first, days=days)
        late = await self.buffer.late_hours()
        for day_s, hours in groupby(late, lambda hour_s: hour_s // DAY_S * DAY_S):
            of_day = {h: late[h] for h in hours}
            hour, more = await self._repeat(day_s, of_day, first, hour, days=days)
            written += more
        while days and (older_s := await self._older_day()) is not None:
            written += await self._roll_up_day(older_s)
            hour, more = await self._new(hour, days=days)
            written += more
        hours_done = (hour - first) // HOUR_S
        log.info("ticks.rolled_up", hours=hours_done, late_hours=len(late), rollups=written)
        return written

    async def _new(self, hour: int, *, days: bool) -> tuple[int, int]:
        """Roll up from this hour to the last one that is over, and the days that are over by then.

        Returns the next hour and the number of roll-ups.
        """
        written = 0
        while True:
            while hour < self._settled():
                stored = await self.beside(hour)
                written += await self.ticks.roll_up(hour, self._schedules, stored)
                await self.buffer.note_rolled_up(hour)
                await self.added(hour)
                hour += HOUR_S
            day_s = await self._new_day(hour) if days else None
            if day_s is None:
                return hour, written
            written += await self._roll_up_day(day_s)

    async def _repeat(
        self, day_s: int, late: Mapping[int, int], first: int, hour: int, *, days: bool
    ) -> tuple[int, int]:
        """Roll up these late hours of a day again, and the day; returns as ``_new``.

        ``late``: {hour: count}. They are forgotten only then: what is interrupted comes again.
        """
        written = 0
        # A day whose ticks are not all kept any more would lose what it has.
        if day_s >= self._whole_from():
            for hour_s in late:
                if hour_s < first:
                    written += await self.ticks.roll_up(hour_s, self._schedules)
                    await self.repeated(hour_s)
                hour, more = await self._new(hour, days=days)
                written += more
            done = await self._days_done()
            if done is not None and done.first_s <= day_s <= done.last_s:
                if not days:
                    return hour, written
                written += await self.ticks.roll_up_day(day_s, self._schedules)
        for hour_s, count in late.items():
            await self.buffer.forget_late(hour_s, count)
        return hour, written

    async def _schedules(
        self, website_ids: Sequence[UUID], since_s: int, until_s: int
    ) -> Mapping[UUID, Schedule]:
        async with session(self.pool) as connection:
            return await schedules.fetch_known(connection, website_ids, since_s, until_s)

    async def _first_hour(self) -> int:
        """The hour to start with: the one after the last completed roll-up.

        Where Redis has lost that, the latest hour with any roll-up, as some websites' may be
        missing. Where there is no roll-up at all, a day back.
        """
        settled = self._settled()
        done = await self.buffer.rolled_up()
        if done is not None:
            since = done + HOUR_S
        else:
            last = await self.ticks.last_rolled_up()
            since = settled - _INITIAL_BACK_S if last is None else last
        return max(min(since, settled), self._hours_from(settled))

    def _settled(self) -> int:
        """The end of the last hour that is over."""
        return int(self.now() - SETTLED_S) // HOUR_S * HOUR_S

    def _hours_from(self, settled: int) -> int:
        """The first hour whose ticks are still kept."""
        return max(settled - _MAX_BACK_S, -(-self._raw_from() // HOUR_S) * HOUR_S)

    def _raw_from(self) -> int:
        """Since when ticks are kept."""
        return int(self.now()) - self.kept.raw * DAY_S

    def _whole_from(self) -> int:
        """The first day whose ticks are all still kept, and so its hours' histograms."""
        return -(-self._raw_from() // DAY_S) * DAY_S

    async def _days_done(self) -> DaysDone | None:
        async with session(self.pool) as connection:
            return await rolled_up_days.fetch(connection)

    async def _note_days(self, done: DaysDone) -> None:
        async with session(self.pool) as connection:
            await rolled_up_days.note(connection, done)

    async def _roll_up_day(self, day_s: int) -> int:
        """Roll up this day, next to those that are done, and note it."""
        written = await self.ticks.roll_up_day(day_s, self._schedules)
        done = await self._days_done()
        known = DaysDone(day_s, day_s) if done is None else done
        await self._note_days(DaysDone(min(known.first_s, day_s), max(known.last_s, day_s)))
        log.info("ticks.day_rolled_up", day_s=day_s, rollups=written)
        return written

    async def _new_day(self, hour: int) -> int | None:
        """The next day to roll up, if all of its hours, up to this one, are; at first yesterday."""
        last_s = hour // DAY_S * DAY_S - DAY_S
        done = await self._days_done()
        if done is None:
            return last_s
        if done.last_s > last_s:  # by a clock that was ahead
            await self._note_days(DaysDone(min(done.first_s, last_s), last_s))
        next_s = max(done.last_s + DAY_S, self._days_from())
        return next_s if next_s <= last_s else None

    async def _older_day(self) -> int | None:
        """The day before those that are done, if its hours are still kept and websites existed."""
        done = await self._days_done()
        if done is None or done.first_s <= self._days_from():
            return None
        async with session(self.pool) as connection:
            oldest = await counts.oldest_website(connection)
        day_s = done.first_s - DAY_S
        return day_s if oldest is not None and oldest.timestamp() < done.first_s else None

    def _days_from(self) -> int:
        """The first day whose hours are all still kept."""
        return -(-(int(self.now()) - self.kept.rollups * DAY_S) // DAY_S) * DAY_S

    async def rebuild(
        self, since_s: int, until_s: int, progress: Callable[[int, int], None] = lambda _a, _b: None
    ) -> Rebuilt:
        """Make the hours that start in [since_s, until_s) and the days that do again.

        Each is made of what is kept; one of which something is not kept any more, or that is not
        over, is left as it is. ``progress`` gets how many hours and days are done, and of how many.
        """
        hours = range(since_s // HOUR_S * HOUR_S, until_s, HOUR_S)
        days = range(since_s // DAY_S * DAY_S, until_s, DAY_S)
        settled, raw_from = self._settled(), self._raw_from()
        made_hours = [h for h in hours if raw_from <= h < settled]
        made_days = [d for d in days if self._whole_from() <= d and d + DAY_S <= settled]
        total = len(made_hours) + len(made_days)
        # Each day after its hours.
        steps: list[tuple[int, int, Callable[[int, Schedules], Awaitable[int]]]] = [
            *((h + HOUR_S, h, self.ticks.roll_up) for h in made_hours),
            *((d + DAY_S, d, self.ticks.roll_up_day) for d in made_days),
        ]
        steps.sort(key=lambda step: step[0])  # stable
        for number, (_, start_s, roll_up) in enumerate(steps):
            progress(number, total)
            await roll_up(start_s, self._schedules)
            if roll_up == self.ticks.roll_up:
                await self.repeated(start_s)
        progress(total, total)
        return Rebuilt(
            len(made_hours),
            len(made_days),
            tuple(sorted(set(hours) - set(made_hours))),
            tuple(sorted(set(days) - set(made_days))),
        )

    async def expire_history(self) -> None:
        """Drop flips and periods of schedules from before the first day that is kept."""
        limit = dt.datetime.fromtimestamp(self.now() - self.kept.daily * DAY_S, dt.UTC)
        dropped = await flips.expire(self.pool, limit), await schedules.expire(self.pool, limit)
        log.info("history.expired", flips=dropped[0], periods=dropped[1])
