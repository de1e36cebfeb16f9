"""The time series of one website, in buckets for a chart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain
from uuid import UUID

from msgspec import Struct

from monitor.domain.ids import ring_position
from monitor.domain.schedule import Schedule, Span, settled_s
from monitor.domain.series import Bucket, Plan, Uptime, merge, plan, uptime
from monitor.resources.website import Website
from monitor.services.websites import manage as websites
from monitor.services.workers import regions
from monitor.storage.postgres import schedules
from monitor.storage.postgres.pool import Pool, session
from monitor.storage.timeseries.contract import TickStore


class RegionSeries(Struct, frozen=True):
    """The results of one region in chronological order. Buckets without checks are absent."""

    region: str
    uptime: Uptime
    buckets: tuple[Bucket, ...]


class Series(Struct, frozen=True):
    """The chart of a website over the span of ``plan``."""

    website: Website
    plan: Plan
    regions: tuple[RegionSeries, ...]


async def series(
    pool: Pool, ticks: TickStore, website_id: UUID, *, days: int, region: str | None, now_s: int
) -> Series:
    """The last ``days`` days of one region, or of all regions the website has or had.

    Raises NotFound, BadQuery for a region that does not exist, Unavailable.
    """
    stored = await websites.get(pool, website_id)
    website = stored.website
    spread = plan(days, now_s, website.check.check_frequency)
    async with session(pool) as connection:
        if region is not None:
            await regions.must_exist(connection, region)
        schedule = (await schedules.fetch(connection, [website_id], spread.since_s))[website_id]
    settled = settled_s(now_s, website.check.request_timeout)
    # They read different files or few of them, so none waits for the other.
    buckets, unsettled = await asyncio.gather(
        _read(ticks, website_id, region, spread),
        ticks.raw_buckets(website_id, region, settled, spread.until_s, spread.width_s),
    )
    slots = _Slots(
        schedule,
        schedule.known(spread, website.created_at.timestamp(), settled),
        spread.width_s,
        unsettled,
    )
    names = stored.regions if region is None else (region,)
    rows = [
        RegionSeries(name, uptime(own, *slots.counts(website_id, name, own)), tuple(own))
        for name, own in _by_region(names, buckets)
    ]
    return Series(website, spread, tuple(rows))


def _by_region(names: Iterable[str], buckets: Iterable[Bucket]) -> list[tuple[str, list[Bucket]]]:
    """The buckets of these and of all other regions that have any, by name."""
    by_region: dict[str, list[Bucket]] = {name: [] for name in names}
    for bucket in buckets:
        by_region.setdefault(bucket.region, []).append(bucket)
    return sorted(by_region.items())


class _Slots(Struct, frozen=True):
    """What is needed to count the slots of a chart. ``unsettled``: buckets after what is known."""

    schedule: Schedule
    known: Span | None
    width_s: int
    unsettled: Sequence[Bucket]

    def counts(self, website_id: UUID, region: str, buckets: Sequence[Bucket]) -> tuple[int, int]:
        """How many slots of this region have a check, and how many were due."""
        if self.known is None:
            return 0, 0
        filled = sum(b.in_turn for b in buckets if b.start_s + self.width_s > self.known.since_s)
        filled -= sum(b.in_turn for b in self.unsettled if b.region == region)
        # The two were read at once, so one that has just come may be in the latter alone.
        filled = max(filled, 0)
        return filled, self.schedule.due(ring_position(website_id), region, self.known)


async def _read(
    ticks: TickStore, website_id: UUID, region: str | None, spread: Plan
) -> Sequence[Bucket]:
    raw = ticks.raw_buckets(website_id, region, spread.raw_from_s, spread.until_s, spread.width_s)
    if spread.since_s == spread.raw_from_s:
        return merge(await raw, spread.width_s)
    hourly = ticks.hourly_buckets(website_id, region, spread.since_s, spread.raw_from_s)
    return merge(chain(*await asyncio.gather(hourly, raw)), spread.width_s)
