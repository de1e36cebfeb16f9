"""The encryption keys of the API's processes, by fingerprint: one hash with an entry a process.

Workers report theirs with their load (``workers.py``).
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated
from monitor.storage.redis.workers import DELETE_AFTER_S, FRESH_S


class Keyring(Struct, frozen=True):
    """The fingerprints of a process's keys, the one that encrypts first, at ``seen_at_s``."""

    seen_at_s: int
    keys: list[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Keyring).decode


class Keyrings:
    """The keyrings of processes. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def report(self, process: str, keyring: Keyring) -> None:
        """Store the keyring of a process, and delete those of processes that were killed."""
        rings = await self._read()
        old = [n for n, r in rings.items() if r.seen_at_s < keyring.seen_at_s - DELETE_AFTER_S]
        with translated():
            await self._redis.hset(keys.KEYRINGS, process, _encode(keyring))
            if old:
                await self._redis.hdel(keys.KEYRINGS, *old)

    async def forget(self, process: str) -> None:
        """Delete the keyring of a process that ends."""
        with translated():
            await self._redis.hdel(keys.KEYRINGS, process)

    async def fresh(self, now_s: float) -> list[Keyring]:
        """The keyrings of live processes."""
        return [r for r in (await self._read()).values() if r.seen_at_s >= now_s - FRESH_S]

    async def _read(self) -> dict[str, Keyring]:
        with translated():
            entries = await self._redis.hgetall(keys.KEYRINGS)
        return {raw(name).decode(): _decode(raw(value)) for name, value in entries.items()}
