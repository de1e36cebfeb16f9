"""Ticks that the tick store refused, buffered in Redis until it accepts them. Bounded in bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.outcome import Tick
from monitor.runtime.logging import get_logger
from monitor.storage.redis import keys
from monitor.storage.redis.client import translated

log = get_logger(__name__)

# Appends a chunk, then drops the oldest chunks until the size is at most ARGV[2] bytes.
# Returns the number of dropped chunks.
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

# Removes the oldest chunk if it is still ARGV[1].
_POP = """
if redis.call('LINDEX', KEYS[1], 0) == ARGV[1] then
  redis.call('LPOP', KEYS[1])
  redis.call('DECRBY', KEYS[2], #ARGV[1])
end
"""

_FORGET = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Tick]).decode


class BufferSize(Struct, frozen=True):
    """The size of the buffer."""

    size_bytes: int
    chunks: int


async def buffer_size(redis: Redis) -> BufferSize:
    """The size of the buffer in this Redis. Raises Unavailable without Redis."""
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.get(keys.TICK_BUFFER_BYTES)
            pipe.llen(keys.TICK_BUFFER)
            size, chunks = await pipe.execute()
    return BufferSize(int(size or 0), chunks)


class TickBuffer:
    """A queue of chunks of ticks, oldest first. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis, max_bytes: int) -> None:
        self._redis = redis
        self._max_bytes = max_bytes
        self._push = redis.register_script(_PUSH)
        self._pop = redis.register_script(_POP)
        self._forget = redis.register_script(_FORGET)
        self._names = [keys.TICK_BUFFER, keys.TICK_BUFFER_BYTES]

    async def push(self, ticks: Sequence[Tick]) -> int:
        """Buffer a chunk; returns how many of the oldest chunks were dropped for it."""
        with translated():
            return int(await self._push(keys=self._names, args=[_encode(ticks), self._max_bytes]))

    async def oldest(self) -> tuple[bytes, list[Tick]] | None:
        """The oldest chunk, raw and decoded; it stays in the buffer.

        An unreadable chunk is logged and removed, so that it does not block those behind it.
        """
        while isinstance(raw := await self._first(), bytes):
            try:
                return raw, _decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                log.error("ticks.unreadable", chunks=1, size=len(raw), error=str(error))  # noqa: TRY400 - its trace says no more
                await self.remove(raw)
        return None

    async def _first(self) -> object:
        with translated():
            return await self._redis.lindex(keys.TICK_BUFFER, 0)

    async def remove(self, raw: bytes) -> None:
        """Remove a chunk that was written, unless another worker has removed it."""
        with translated():
            await self._pop(keys=self._names, args=[raw])

    async def note_late(self, hours: Iterable[int]) -> None:
        """Note hours (their start, Unix seconds) to be rolled up again.

        Call this after the late ticks are stored.
        """
        with translated():
            async with self._redis.pipeline(transaction=True) as pipe:
                for hour in hours:
                    pipe.hincrby(keys.LATE_HOURS, str(hour), 1)
                await pipe.execute()

    async def late_hours(self) -> dict[int, int]:
        """The noted hours, oldest first, each with its count for ``forget_late``."""
        with translated():
            counts = await self._redis.hgetall(keys.LATE_HOURS)
        return dict(sorted((int(hour), int(count)) for hour, count in counts.items()))

    async def forget_late(self, hour_s: int, count: int) -> None:
        """Remove an hour that was rolled up again, unless it was noted again meanwhile."""
        with translated():
            await self._forget(keys=[keys.LATE_HOURS], args=[hour_s, count])

    async def note_rolled_up(self, hour_s: int) -> None:
        """Note that this hour and all before it are rolled up for every website."""
        with translated():
            await self._redis.set(keys.ROLLED_UP, hour_s)

    async def rolled_up(self) -> int | None:
        """The last noted hour; None where Redis has lost it."""
        with translated():
            value = await self._redis.get(keys.ROLLED_UP)
        return None if value is None else int(value)
