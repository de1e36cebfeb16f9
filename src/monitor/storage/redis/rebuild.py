"""Builds a new projection beside the current one and swaps it in atomically."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from operator import itemgetter
from uuid import UUID

from redis.asyncio import Redis

from monitor.resources.website import Definition
from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated
from monitor.storage.redis.projection import Placed, add, placed

_NEW = "new:"

_SORT_CHUNK = 40_000
"""Websites that are written together are neighbours in Redis' memory, and a batch reads an arc of
a ring: a million websites written in the order of their ids would scatter it. 19 MiB of plain
websites."""

_PAGE = 2000

# Deletes the states and flips of deleted websites: scans about ARGV[2] of them from cursor
# ARGV[1] on and returns the next cursor.
_PRUNE = """
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
for i = 1, #page[2], 2 do
  if redis.call('HEXISTS', KEYS[2], page[2][i]) == 0 then
    redis.call('HDEL', KEYS[1], page[2][i])
  end
end
return page[1]
"""
_PRUNE_PAGE = 500


class Rebuild:
    """One full sync: ``begin``, any number of ``put``, ``swap``. One at a time.

    Workers see no change before ``swap``. Raises Unavailable without Redis.
    """

    def __init__(self, redis: Redis, regions: Sequence[str]) -> None:
        self._redis = redis
        self._regions = regions
        self._prune = redis.register_script(_PRUNE)
        self._pending: list[Placed] = []

    async def begin(self) -> None:
        """Delete what an interrupted rebuild may have left."""
        with translated():
            rings = await self._ring_keys(_NEW)
            await self._redis.delete(_NEW + keys.DEFINITIONS, _NEW + keys.RINGS, *rings)

    async def put(self, websites: Sequence[tuple[UUID, Definition]]) -> None:
        """Add websites, thousands at a time. They are written in larger chunks."""
        self._pending += placed(websites)
        if len(self._pending) >= _SORT_CHUNK:
            await self._write()

    async def _write(self) -> None:
        """Write all pending websites in ring order."""
        websites = iter(sorted(self._pending, key=itemgetter(0)))
        self._pending = []
        while page := list(islice(websites, _PAGE)):
            with translated():
                async with self._redis.pipeline(transaction=False) as pipe:
                    add(pipe, page, self._regions, _NEW)
                    await pipe.execute()

    async def swap(self, marker: str, renewed: Collection[str] = ()) -> None:
        """Replace the old projection with the new one, in one transaction.

        The data of deleted regions is deleted with it, and that of ``renewed`` regions: they were
        deleted and created again under the same name.
        """
        await self._write()
        with translated():
            old, new = await self._ring_keys(""), await self._ring_keys(_NEW)
            obsolete = await self._deleted() | set(renewed)
            async with self._redis.pipeline(transaction=True) as pipe:
                for region in obsolete:
                    pipe.unlink(keys.state(region), keys.flips(region))
                    pipe.hdel(keys.REGIONS, region)
                pipe.unlink(keys.DEFINITIONS, keys.RINGS, *old)
                for name in new:
                    pipe.rename(name, name.removeprefix(_NEW))
                if new:
                    pipe.rename(_NEW + keys.DEFINITIONS, keys.DEFINITIONS)
                    pipe.rename(_NEW + keys.RINGS, keys.RINGS)
                pipe.set(keys.MARKER, marker)
                await pipe.execute()

    async def prune(self) -> None:
        """Delete the states and flips of deleted websites.

        States first: no check adds a flip for a website without a definition and a state.
        """
        with translated():
            for region in self._regions:
                for name in (keys.state(region), keys.flips(region)):
                    await self._prune_hash(name)

    async def _prune_hash(self, name: str) -> None:
        cursor = b"0"
        while True:
            cursor = await self._prune(keys=[name, keys.DEFINITIONS], args=[cursor, _PRUNE_PAGE])
            if cursor == b"0":
                return

    async def _deleted(self) -> set[str]:
        """Regions with rings or reports that no longer exist."""
        rings = await self._redis.smembers(keys.RINGS)
        reported = await self._redis.hkeys(keys.REGIONS)
        names = {raw(name).decode().rpartition(":")[0] for name in rings}
        return (names | {raw(name).decode() for name in reported}) - set(self._regions)

    async def _ring_keys(self, prefix: str) -> list[str]:
        names = await self._redis.smembers(prefix + keys.RINGS)
        return [f"{prefix}monitor:ring:{raw(name).decode()}" for name in names]


async def server_run(redis: Redis) -> str:
    """The run id of the Redis server, which changes with every start."""
    with translated():
        info = await redis.info("server")
    return str(info["run_id"])


async def marker(redis: Redis) -> str | None:
    """The run id that the projection was built on; None where there is no projection."""
    with translated():
        value = await redis.get(keys.MARKER)
    return value.decode() if isinstance(value, bytes) else None
