"""The whole installation in a few numbers, read from Postgres and Redis for /metrics.

What it costs grows with regions, rings and worker processes, never with websites.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.capacity import RegionLoad, add_up
from monitor.domain.errors import Unavailable
from monitor.domain.messages import (
    INCIDENTS_QUEUE,
    NOTIFICATIONS_QUEUE,
    SCHEDULE_QUEUE,
    SYNC_QUEUE,
    UPKEEP_QUEUE,
    checks_queue,
)
from monitor.domain.ring import Ring
from monitor.runtime.logging import get_logger
from monitor.storage.postgres import changes
from monitor.storage.postgres import counts as figures
from monitor.storage.postgres.counts import Figures
from monitor.storage.postgres.pool import Pool, transaction
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.queues import QueueDepth, depths
from monitor.storage.redis.regions import RegionReport, Regions
from monitor.storage.redis.tick_buffer import Kept, kept
from monitor.storage.redis.workers import WorkerReport, Workers

log = get_logger(__name__)

CENTRAL_QUEUES = (
    SCHEDULE_QUEUE,
    SYNC_QUEUE,
    INCIDENTS_QUEUE,
    NOTIFICATIONS_QUEUE,
    UPKEEP_QUEUE,
)
PATIENCE_S = 4.0
"""A store that takes longer counts as away. Prometheus gives up after 10 s unless told else."""

CACHE_S = 5.0
"""Two Prometheus servers, or ten, cost as much as one."""

T = TypeVar("T")


class RegionView(Struct, frozen=True):
    """One region. ``counters``: {name: count}, see storage/redis/regions.py."""

    name: str
    queue: QueueDepth
    rings: dict[int, int]
    """Websites by interval in seconds."""
    report: RegionReport | None
    load: RegionLoad
    counters: dict[str, int]

    @property
    def demand_per_s(self) -> float:
        """Checks a second that are due."""
        return sum(websites / interval_s for interval_s, websites in self.rings.items())


class RedisView(Struct, frozen=True):
    """What Redis tells: of each region, of the central queues, of the ticks it keeps."""

    regions: list[RegionView]
    queues: dict[str, QueueDepth]
    kept: Kept


class Installation(Struct, frozen=True):
    """What was found; None of a store that did not answer."""

    postgres: Figures | None
    redis: RedisView | None


class Observatory:
    """Looks at most once in ``CACHE_S`` seconds, whoever asks. ``now`` gives Unix seconds."""

    def __init__(self, pool: Pool, redis: Redis, now: Callable[[], float]) -> None:
        self._pool = pool
        self._redis = redis
        self._now = now
        self._looking = asyncio.Lock()
        self._seen: tuple[float, Installation] | None = None

    async def look(self) -> Installation:
        """The installation as of now, or a few seconds ago. A store that is away is left out."""
        async with self._looking:
            if self._seen is None or not 0 <= self._now() - self._seen[0] < CACHE_S:
                self._seen = (self._now(), await self._look())
            return self._seen[1]

    async def _look(self) -> Installation:
        asked = _answer("postgres", self._read_postgres()), _answer("redis", self._read_redis())
        postgres, redis = await asyncio.gather(*asked)
        return Installation(postgres, redis)

    async def _read_postgres(self) -> Figures:
        async with transaction(self._pool) as connection:
            return await figures.read(connection)

    async def _read_redis(self) -> RedisView:
        now_s, rings = self._now(), await Projection(self._redis).sizes()
        known = await self._region_names()
        names = sorted({ring.region for ring in rings}) if known is None else known
        queues = [checks_queue(name) for name in names]
        found = await depths(self._redis, [*queues, *CENTRAL_QUEUES], now_s)
        return RedisView(
            regions=await self._regions(names, rings, found),
            queues={queue: found[queue] for queue in CENTRAL_QUEUES},
            kept=await kept(self._redis),
        )

    async def _region_names(self) -> list[str] | None:
        """All regions; None where Postgres is away: those that have rings must do then."""
        try:
            async with transaction(self._pool) as connection:
                return await changes.region_names(connection)
        except Unavailable:
            return None

    async def _regions(
        self, names: Sequence[str], rings: dict[Ring, int], found: dict[str, QueueDepth]
    ) -> list[RegionView]:
        regions = Regions(self._redis)
        reports, counters = await regions.reports(), await regions.counters()
        processes = await Workers(self._redis).fresh(self._now())
        return [
            RegionView(
                name=name,
                queue=found[checks_queue(name)],
                rings={r.interval_s: size for r, size in rings.items() if r.region == name},
                report=reports.get(name),
                load=_load(name, processes),
                counters=_of_region(counters, name),
            )
            for name in names
        ]


def _load(region: str, processes: Sequence[WorkerReport]) -> RegionLoad:
    return add_up([(p.limits, p.load) for p in processes if p.region == region])


def _of_region(counters: dict[str, int], region: str) -> dict[str, int]:
    split = ((key.partition(":"), count) for key, count in counters.items())
    return {name: count for (name, _, where), count in split if where == region}


async def _answer(store: str, call: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await call
    except (Unavailable, TimeoutError) as error:
        log.warning("metrics.store_away", store=store, error=str(error) or "timeout")
        return None
