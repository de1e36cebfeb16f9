"""The time series of one website, in buckets for a chart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain
from uuid import UUID

from msgspec import Struct

from monitor.domain.series import Bucket, Plan, Uptime, merge, plan, uptime
from monitor.resources.website import Website
from monitor.services.websites import manage as websites
from monitor.services.workers import regions
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
    if region is not None:
        async with session(pool) as connection:
            await regions.must_exist(connection, region)
    spread = plan(days, now_s, stored.website.check.check_frequency)
    buckets = await _read(ticks, website_id, region, spread)
    names = stored.regions if region is None else (region,)
    by_region: dict[str, list[Bucket]] = {name: [] for name in names}
    for bucket in buckets:
        by_region.setdefault(bucket.region, []).append(bucket)
    rows = [
        _region_series(n, buckets, stored.website, spread, now_s)
        for n, buckets in by_region.items()
    ]
    return Series(stored.website, spread, tuple(sorted(rows, key=lambda s: s.region)))


async def _read(
    ticks: TickStore, website_id: UUID, region: str | None, spread: Plan
) -> Sequence[Bucket]:
    raw = ticks.raw_buckets(website_id, region, spread.raw_from_s, spread.until_s, spread.width_s)
    if spread.since_s == spread.raw_from_s:
        return merge(await raw, spread.width_s)
    hourly = ticks.hourly_buckets(website_id, region, spread.since_s, spread.raw_from_s)
    # They read different files, so neither waits for the other.
    return merge(chain(*await asyncio.gather(hourly, raw)), spread.width_s)


def _region_series(
    name: str, buckets: Sequence[Bucket], website: Website, spread: Plan, now_s: int
) -> RegionSeries:
    # No check was due before the website was created.
    begin_s = max(spread.since_s, int(website.created_at.timestamp()))
    every_s = website.check.check_frequency
    return RegionSeries(name, uptime(buckets, now_s - begin_s, every_s), tuple(buckets))
