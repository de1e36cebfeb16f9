"""Reports of region worker processes: one hash with an entry per process.

An entry older than ``FRESH_S`` belongs to a process that was killed.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.capacity import Load, WorkerLimits
from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated

FRESH_S = 45
DELETE_AFTER_S = 600


class WorkerReport(Struct, frozen=True):
    """One process at ``seen_at_s`` (Unix seconds): its limits, its recent load, the
    fingerprints of its encryption keys, its version, and the groups that it offers in TLS
    handshakes (numbers of IANA's registry); the last three an older one does not tell.
    """

    region: str
    seen_at_s: int
    limits: WorkerLimits
    load: Load
    keys: list[str] | None = None
    version: str | None = None
    groups: list[int] | None = None


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
        """Delete the report of a process that ends."""
        with translated():
            await self._redis.hdel(keys.WORKERS, process)

    async def forget_old(self, now_s: float) -> None:
        """Delete the reports of processes that were killed."""
        reports = await self._read()
        old = [name for name, r in reports.items() if r.seen_at_s < now_s - DELETE_AFTER_S]
        if old:
            with translated():
                await self._redis.hdel(keys.WORKERS, *old)

    async def fresh(self, now_s: float) -> list[WorkerReport]:
        """The reports of live processes."""
        reports = await self._read()
        return [r for r in reports.values() if r.seen_at_s >= now_s - FRESH_S]

    async def _read(self) -> dict[str, WorkerReport]:
        with translated():
            entries = await self._redis.hgetall(keys.WORKERS)
        return {raw(name).decode(): _decode(raw(value)) for name, value in entries.items()}
