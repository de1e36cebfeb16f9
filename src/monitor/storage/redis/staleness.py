"""Which websites on an arc no region has checked of late: found in Redis, where the states are."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from redis.asyncio import Redis

from monitor.domain.ring import Ring
from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated

# KEYS: a ring and the states of all regions. ARGV: the arc, and the oldest slot that is not stale.
# A state begins with its slot (states.py).
_STALE = """
local left = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'BYSCORE')
local oldest = tonumber(ARGV[3])
for k = 2, #KEYS do
  if #left == 0 then break end
  local states, stale = redis.call('HMGET', KEYS[k], unpack(left)), {}
  for i = 1, #left do
    local state = states[i]
    if not state or struct.unpack('>I4', state) < oldest then stale[#stale + 1] = left[i] end
  end
  left = stale
end
return left
"""


class Staleness:
    """Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._stale = redis.register_script(_STALE)

    async def stale(
        self, ring: Ring, lo: int, hi: int, regions: Sequence[str], oldest_s: int
    ) -> list[UUID]:
        """The websites at positions lo <= p < hi of a ring, at most some thousands, that no region
        has checked for a slot since ``oldest_s`` (Unix seconds).
        """
        names = [keys.ring(ring), *map(keys.state, regions)]
        with translated():
            ids = await self._stale(keys=names, args=[lo, f"({hi}", oldest_s])
        return [UUID(bytes=raw(i)) for i in ids]

    async def swept(self) -> int | None:
        """Up to which second websites that were due have been looked at; None: never."""
        with translated():
            value = await self._redis.get(keys.STANDINGS_SWEPT)
        return None if value is None else int(value)

    async def note_swept(self, until_s: int) -> None:
        """Note that websites that were due until then have been looked at."""
        with translated():
            await self._redis.set(keys.STANDINGS_SWEPT, until_s)
