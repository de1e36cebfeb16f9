"""Reports and counters of regions."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated

DROPPED_BATCHES = "dropped_batches"
DROPPED_TICKS = "dropped_ticks"
NOT_MEASURED = "not_measured"
CHECKED_UP = "checked_up"
CHECKED_DOWN = "checked_down"


class RegionReport(Struct, frozen=True):
    """When a region last finished a batch (Unix seconds), and whether it has a network."""

    seen_at_s: int
    network: str = "ok"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(RegionReport).decode


def missed_counts(region: str, *, batches: int, websites: int) -> dict[str, int]:
    """What missed batches and checks add to the counters: {"name:region": count}."""
    return {f"{DROPPED_BATCHES}:{region}": batches, f"{NOT_MEASURED}:{region}": websites}


class Regions:
    """Reports and counters of regions. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def report(self, region: str, report: RegionReport, counts: dict[str, int]) -> None:
        """Store a report and add to the region's counters."""
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hset(keys.REGIONS, region, _encode(report))
                for name, count in counts.items():
                    if count:
                        pipe.hincrby(keys.COUNTERS, f"{name}:{region}", count)
                await pipe.execute()

    async def count(self, region: str, name: str, count: int) -> None:
        with translated():
            await self._redis.hincrby(keys.COUNTERS, f"{name}:{region}", count)

    async def count_missed(self, region: str, *, batches: int, websites: int) -> None:
        """Count missed batches, and each of their checks as not measured."""
        with translated():
            async with self._redis.pipeline(transaction=True) as pipe:
                counts = missed_counts(region, batches=batches, websites=websites)
                for name, count in counts.items():
                    pipe.hincrby(keys.COUNTERS, name, count)
                await pipe.execute()

    async def reports(self) -> dict[str, RegionReport]:
        """The last report of each region that ever sent one."""
        with translated():
            reports = await self._redis.hgetall(keys.REGIONS)
        return {raw(k).decode(): _decode(raw(v)) for k, v in reports.items()}

    async def counters(self) -> dict[str, int]:
        """All counters since Redis was last empty: {"name:region": count}."""
        with translated():
            counters = await self._redis.hgetall(keys.COUNTERS)
        return {raw(k).decode(): int(v) for k, v in counters.items()}
