"""Building the whole projection beside the one in use, and swapping it in at once."""

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

_SORTED_TOGETHER = 40_000
"""What is written together lies together in Redis' memory. A batch reads an arc of a ring: of a
million websites in the order of their ids it would find each of its own in another place. 19 MiB of
plain websites."""

_PAGE = 2000

# Removes the states and flips of websites that are gone: looks at about ARGV[2] of them from
# cursor ARGV[1] on and returns the next cursor.
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
    """One full sync: ``begin``, ``put`` as often as needed, ``swap``. One at a time.

    Nothing that workers read changes before ``swap``. Raises Unavailable without Redis.
    """

    def __init__(self, redis: Redis, regions: Sequence[str]) -> None:
        self._redis = redis
        self._regions = regions
        self._prune = redis.register_script(_PRUNE)
        self._held: list[Placed] = []

    async def begin(self) -> None:
        """Clear away what an interrupted rebuild may have left."""
        with translated():
            left = await self._ring_keys(_NEW)
            await self._redis.delete(_NEW + keys.DEFINITIONS, _NEW + keys.RINGS, *left)

    async def put(self, websites: Sequence[tuple[UUID, Definition]]) -> None:
        """Add websites; thousands at a time. They are written when there are many more."""
        self._held += placed(websites)
        if len(self._held) >= _SORTED_TOGETHER:
            await self._write()

    async def _write(self) -> None:
        """All that are held, in the order of their rings."""
        held = iter(sorted(self._held, key=itemgetter(0)))
        self._held = []
        while page := list(islice(held, _PAGE)):
            with translated():
                async with self._redis.pipeline(transaction=False) as pipe:
                    add(pipe, page, self._regions, _NEW)
                    await pipe.execute()

    async def swap(self, marker: str, renewed: Collection[str] = ()) -> None:
        """Put the new projection in the place of the old one, in one transaction.

        What regions that are gone held goes with it, and what those of ``renewed`` held: there
        is a new region of the name.
        """
        await self._write()
        with translated():
            old, new = await self._ring_keys(""), await self._ring_keys(_NEW)
            over = await self._gone() | set(renewed)
            async with self._redis.pipeline(transaction=True) as pipe:
                for region in over:
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
        """Remove what regions hold about websites that are gone.

        States before flips: no check adds a flip for a website without a definition and a state.
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

    async def _gone(self) -> set[str]:
        """Regions that had rings or reported, and that there are no longer."""
        rings = await self._redis.smembers(keys.RINGS)
        reported = await self._redis.hkeys(keys.REGIONS)
        known = {raw(name).decode().rpartition(":")[0] for name in rings}
        return (known | {raw(name).decode() for name in reported}) - set(self._regions)

    async def _ring_keys(self, prefix: str) -> list[str]:
        names = await self._redis.smembers(prefix + keys.RINGS)
        return [f"{prefix}monitor:ring:{raw(name).decode()}" for name in names]


async def server_run(redis: Redis) -> str:
    """Which run of the Redis server this is: it changes with every start."""
    with translated():
        info = await redis.info("server")
    return str(info["run_id"])


async def marker(redis: Redis) -> str | None:
    """The run of the server that the projection was made on; None where there is none."""
    with translated():
        value = await redis.get(keys.MARKER)
    return value.decode() if isinstance(value, bytes) else None
