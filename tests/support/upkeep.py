"""Hours with ticks, and which of them were rolled up."""

from __future__ import annotations

from monitor.domain.errors import Unavailable
from monitor.domain.series import DAY_S, HOUR_S
from monitor.services.checks.ticks import TickUpkeep
from monitor.services.reports.roll_ups import RollUps
from monitor.storage.timeseries.contract import KeptDays, no_schedules, not_needed
from support.factories import SHOP, START_S, tick
from support.ticks import hourly_buckets

THIS_HOUR = START_S // HOUR_S * HOUR_S
KEPT = KeptDays(30, 400, 1100)


class Watched:
    """A tick store that remembers which hours and days were rolled up, and can fail at one.

    ``meanwhile``, an async function, is called with each hour while it is rolled up.
    """

    def __init__(self, store):
        self._store = store
        self.hours = []
        self.days = []
        self.fails_at = None
        self.fails_at_day = None
        self.day_error = Unavailable("postgres", "is away")
        self.lacks_days = None
        self.meanwhile = None

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def roll_up_day(self, day_s, schedules=no_schedules):
        if day_s == self.fails_at_day:
            raise self.day_error
        if self.lacks_days is not None:
            raise self.lacks_days
        self.days.append(day_s)
        return await self._store.roll_up_day(day_s, schedules)

    async def roll_up(self, hour_s, schedules=no_schedules, stored=not_needed):
        if hour_s == self.fails_at:
            raise Unavailable("postgres", "is away")
        if self.meanwhile is not None:
            await self.meanwhile(hour_s)
        self.hours.append(hour_s)
        return await self._store.roll_up(hour_s, schedules, stored)


def upkeep_of(world):
    return TickUpkeep(world.ticks, world.buffer, world.now)


def roll_ups_of(world, kept=KEPT, **followers):
    """``followers``: what is told of hours."""
    return RollUps(Watched(world.ticks), world.buffer, world.pool, kept, world.now, **followers)


def back(*hours):
    """The starts of the hours that began so many hours before this one."""
    return [THIS_HOUR - HOUR_S * n for n in hours]


async def rolled_up(world):
    """Hour: checks, of all roll-ups."""
    since = THIS_HOUR - 60 * DAY_S
    found = await hourly_buckets(world.ticks, SHOP, None, since, THIS_HOUR + HOUR_S)
    return {b.start_s: b.checks for b in found}


async def given_rolled_up(world, hour_s):
    await world.ticks.write([tick(hour_s)])
    assert await world.ticks.roll_up(hour_s) == 1
