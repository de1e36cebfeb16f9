"""Ticks that the tick store would not take, kept in Redis until it does: bounded in bytes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis

from monitor.domain.outcome import Tick
from monitor.storage.redis import keys
from monitor.storage.redis.client import translated

# Appends a chunk, then drops the oldest ones while there are more bytes than ARGV[2].
# Returns how many chunks were dropped.
_PUSH = """
redis.call('RPUSH', KEYS[1], ARGV[1])
local size = redis.call('INCRBY', KEYS[2], #ARGV[1])
local dropped = 0
while size > tonumber(ARGV[2]) do
  local oldest = redis.call('LPOP', KEYS[1])
  if not oldest then break end
  size = redis.call('DECRBY', KEYS[2], #oldest)
  dropped = dropped + 1
end
return dropped
"""

# Removes the oldest chunk if it is still the one given.
_POP = """
if redis.call('LINDEX', KEYS[1], 0) == ARGV[1] then
  redis.call('LPOP', KEYS[1])
  redis.call('DECRBY', KEYS[2], #ARGV[1])
end
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Tick]).decode


class TickBuffer:
    """A queue of chunks of ticks, oldest first. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis, max_bytes: int) -> None:
        self._redis = redis
        self._max_bytes = max_bytes
        self._push = redis.register_script(_PUSH)
        self._pop = redis.register_script(_POP)
        self._names = [keys.TICK_BUFFER, keys.TICK_BUFFER_BYTES]

    async def push(self, ticks: Sequence[Tick]) -> int:
        """Keep a chunk; returns how many of the oldest chunks went for it."""
        with translated():
            return int(await self._push(keys=self._names, args=[_encode(ticks), self._max_bytes]))

    async def oldest(self) -> tuple[bytes, list[Tick]] | None:
        """The oldest chunk, as stored and decoded, left where it is."""
        with translated():
            raw = await self._redis.lindex(keys.TICK_BUFFER, 0)
        return (raw, _decode(raw)) if isinstance(raw, bytes) else None

    async def remove(self, raw: bytes) -> None:
        """Forget a chunk that was written; one that somebody else removed is no matter."""
        with translated():
            await self._pop(keys=self._names, args=[raw])
