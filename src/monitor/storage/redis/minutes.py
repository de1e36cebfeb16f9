"""Which minute was given out last, and what was left out before it."""

from __future__ import annotations

from collections.abc import Mapping

from redis.asyncio import Redis

from monitor.storage.redis import keys
from monitor.storage.redis.client import translated

# The note and the counts in one step: whoever dies in between has done neither.
_GIVE_OUT = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 1
"""


class Minutes:
    """The latest minute that was given out, in Unix seconds. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._give_out = redis.register_script(_GIVE_OUT)

    async def last(self) -> int | None:
        """None: none ever was, as far as Redis knows."""
        with translated():
            found = await self._redis.get(keys.GIVEN_OUT)
        return None if found is None else int(found)

    async def give_out(
        self, before_s: int | None, minute_s: int, counts: Mapping[str, int]
    ) -> bool:
        """Note this minute and add to the counters, unless the last is not ``before_s`` any more.

        ``counts``: {"name:region": count}, as ``Regions.counters`` gives them.
        """
        args: list[str | int] = ["" if before_s is None else before_s, minute_s]
        for name, count in counts.items():
            args += (name, count)
        with translated():
            return bool(await self._give_out(keys=[keys.GIVEN_OUT, keys.COUNTERS], args=args))
