"""The processes that are there: one hash with an entry a process, but for workers of regions.

Those report themselves with their load (``workers.py``). An entry older than ``FRESH_S`` belongs to
a process that was killed.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated
from monitor.storage.redis.workers import DELETE_AFTER_S, FRESH_S


class Process(Struct, frozen=True):
    """A process at ``seen_at_s`` (Unix seconds). ``keys``: the fingerprints of its encryption keys,
    the one that encrypts first; None where it needs none."""

    role: str
    version: str
    seen_at_s: int
    keys: list[str] | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Process).decode


class Processes:
    """Reports of processes. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def report(self, name: str, process: Process) -> None:
        """Store the report of a process, and delete those of processes that were killed."""
        seen = await self._read()
        old = [n for n, p in seen.items() if p.seen_at_s < process.seen_at_s - DELETE_AFTER_S]
        with translated():
            await self._redis.hset(keys.PROCESSES, name, _encode(process))
            if old:
                await self._redis.hdel(keys.PROCESSES, *old)

    async def forget(self, name: str) -> None:
        """Delete the report of a process that ends."""
        with translated():
            await self._redis.hdel(keys.PROCESSES, name)

    async def forget_all(self) -> None:
        """Delete all reports, those of workers of regions too, as no process can be alive."""
        with translated():
            await self._redis.delete(keys.PROCESSES, keys.WORKERS)

    async def fresh(self, now_s: float) -> list[Process]:
        """The reports of live processes."""
        return [p for p in (await self._read()).values() if p.seen_at_s >= now_s - FRESH_S]

    async def _read(self) -> dict[str, Process]:
        with translated():
            entries = await self._redis.hgetall(keys.PROCESSES)
        return {raw(name).decode(): _decode(raw(value)) for name, value in entries.items()}
