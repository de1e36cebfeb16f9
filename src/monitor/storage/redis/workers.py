"""What each worker process of a region says of itself: one hash, an entry a process.

An entry that is older than ``FRESH_S`` is of a process that ended without saying so.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.capacity import Limits, Load
from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated

FRESH_S = 45
_FORGOTTEN_AFTER_S = 600


class WorkerReport(Struct, frozen=True):
    """One process at ``seen_at_s`` (Unix seconds): what it has, and what it did lately."""

    region: str
    seen_at_s: int
    limits: Limits
    load: Load


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(WorkerReport).decode


class Workers:
    """Reports of worker processes. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def report(self, process: str, report: WorkerReport) -> None:
        with translated():
            await self._redis.hset(keys.WORKERS, process, _encode(report))

    async def forget(self, process: str) -> None:
        """A process ends."""
        with translated():
            await self._redis.hdel(keys.WORKERS, process)

    async def forget_old(self, now_s: float) -> None:
        """Remove what processes left behind that were killed."""
        found = await self._read()
        old = [name for name, r in found.items() if r.seen_at_s < now_s - _FORGOTTEN_AFTER_S]
        if old:
            with translated():
                await self._redis.hdel(keys.WORKERS, *old)

    async def fresh(self, now_s: float) -> list[WorkerReport]:
        """The reports of the processes that are there."""
        found = await self._read()
        return [r for r in found.values() if r.seen_at_s >= now_s - FRESH_S]

    async def _read(self) -> dict[str, WorkerReport]:
        with translated():
            found = await self._redis.hgetall(keys.WORKERS)
        return {raw(name).decode(): _decode(raw(value)) for name, value in found.items()}
