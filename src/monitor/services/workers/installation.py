"""Figures of the whole installation, read from Postgres and Redis for /metrics.

The cost grows with regions, rings and worker processes, never with websites.
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
from monitor.domain.series import HOUR_S
from monitor.runtime.logging import get_logger
from monitor.services.notifications.health import failing_channels
from monitor.storage.postgres import changes, counts, rolled_up_days
from monitor.storage.postgres.channels import Failing
from monitor.storage.postgres.counts import Figures
from monitor.storage.postgres.pool import Pool, transaction
from monitor.storage.postgres.rolled_up_days import DaysDone
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.queues import QueueDepth, depths
from monitor.storage.redis.regions import RegionReport, Regions
from monitor.storage.redis.tick_buffer import BufferSize, TickBuffer, buffer_size
from monitor.storage.redis.workers import WorkerReport, Workers

log = get_logger(__name__)

CENTRAL_QUEUES = (
    SCHEDULE_QUEUE,
    SYNC_QUEUE,
    INCIDENTS_QUEUE,
    NOTIFICATIONS_QUEUE,
    UPKEEP_QUEUE,
)
TIMEOUT_S = 4.0
"""A store that takes longer counts as unavailable. Prometheus gives up after 10 s by default."""

CACHE_S = 5.0
"""How long a result is reused: ten Prometheus servers cost as much as one."""

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
        """Checks due per second."""
        return sum(websites / interval_s for interval_s, websites in self.rings.items())


class RedisView(Struct, frozen=True):
    """The part from Redis: each region, the central queues, the buffered ticks.

    ``rollup_lag_s``: since the end of the last hour that is rolled up; None: Redis has lost it.
    """

    regions: list[RegionView]
    queues: dict[str, QueueDepth]
    buffered: BufferSize
    rollup_lag_s: float | None


class PostgresView(Struct, frozen=True):
    """The part from Postgres: its counts, the channels that do not deliver, and the days that are
    rolled up."""

    figures: Figures
    failing: list[Failing]
    days: DaysDone | None


class Installation(Struct, frozen=True):
    """The parts of both stores; None where a store did not answer."""

    postgres: PostgresView | None
    redis: RedisView | None


class InstallationReader:
    """Reads at most once in ``CACHE_S`` seconds. ``now`` returns Unix seconds."""

    def __init__(self, pool: Pool, redis: Redis, now: Callable[[], float]) -> None:
        self._pool = pool
        self._redis = redis
        self._now = now
        self._reading = asyncio.Lock()
        self._cached: tuple[float, Installation] | None = None

    async def read(self) -> Installation:
        """The installation now, or at most ``CACHE_S`` ago, without stores that are unavailable."""
        async with self._reading:
            if self._cached is None or not 0 <= self._now() - self._cached[0] < CACHE_S:
                self._cached = (self._now(), await self._read())
            return self._cached[1]

    async def _read(self) -> Installation:
        postgres, redis = await asyncio.gather(
            _or_none("postgres", self._read_postgres()), _or_none("redis", self._read_redis())
        )
        return Installation(postgres, redis)

    async def _read_postgres(self) -> PostgresView:
        async with transaction(self._pool) as connection:
            figures = await counts.read(connection)
            days = await rolled_up_days.fetch(connection)
        return PostgresView(figures, await failing_channels(self._pool), days)

    async def _read_redis(self) -> RedisView:
        now_s, rings = self._now(), await Projection(self._redis).sizes()
        names = await self._region_names()
        if names is None:
            names = sorted({ring.region for ring in rings})
        queues = [checks_queue(name) for name in names]
        by_queue = await depths(self._redis, [*queues, *CENTRAL_QUEUES], now_s)
        return RedisView(
            regions=await self._regions(names, rings, by_queue),
            queues={queue: by_queue[queue] for queue in CENTRAL_QUEUES},
            buffered=await buffer_size(self._redis),
            rollup_lag_s=await self._rollup_lag_s(now_s),
        )

    async def _rollup_lag_s(self, now_s: float) -> float | None:
        hour_s = await TickBuffer(self._redis, 0).rolled_up()
        return None if hour_s is None else max(0.0, now_s - hour_s - HOUR_S)

    async def _region_names(self) -> list[str] | None:
        """All regions; None where Postgres is unavailable: then only those with rings are known."""
        try:
            # Sooner than the rest: a Postgres that hangs must not take the part of Redis with it.
            async with asyncio.timeout(TIMEOUT_S / 2), transaction(self._pool) as connection:
                return await changes.region_names(connection)
        except (Unavailable, TimeoutError):
            return None

    async def _regions(
        self, names: Sequence[str], rings: dict[Ring, int], by_queue: dict[str, QueueDepth]
    ) -> list[RegionView]:
        regions = Regions(self._redis)
        reports, counters = await regions.reports(), await regions.counters()
        processes = await Workers(self._redis).fresh(self._now())
        return [
            RegionView(
                name=name,
                queue=by_queue[checks_queue(name)],
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
    return {name: count for (name, _, of_region), count in split if of_region == region}


async def _or_none(store: str, call: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await call
    except (Unavailable, TimeoutError) as error:
        log.warning("metrics.store_away", store=store, error=str(error) or "timeout")
        return None
