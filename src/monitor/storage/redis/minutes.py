"""The last minute that was dispatched, and the missed slots before it."""

from __future__ import annotations

from collections.abc import Mapping

from redis.asyncio import Redis

from monitor.storage.redis import keys
from monitor.storage.redis.client import translated

# The minute and the counts in one step, so that a crash leaves neither or both.
_RECORD = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 1
"""


class DispatchedMinutes:
    """The last dispatched minute, in Unix seconds. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._record = redis.register_script(_RECORD)

    async def last(self) -> int | None:
        """None where Redis knows of none."""
        with translated():
            value = await self._redis.get(keys.LAST_DISPATCHED)
        return None if value is None else int(value)

    async def record(self, before_s: int | None, minute_s: int, counts: Mapping[str, int]) -> bool:
        """Record this minute and add to the counters, provided the last is still ``before_s``.

        ``counts``: {"name:region": count}, as in ``Regions.counters``.
        """
        args: list[str | int] = ["" if before_s is None else before_s, minute_s]
        for name, count in counts.items():
            args += (name, count)
        with translated():
            return bool(await self._record(keys=[keys.LAST_DISPATCHED, keys.COUNTERS], args=args))
