"""Rate limits shared by all processes: one round trip each."""

from __future__ import annotations

from redis.asyncio import Redis

from monitor.domain.rate import PERIOD_S, SLACK, RateLimitState, state_of
from monitor.storage.redis import keys
from monitor.storage.redis.client import raw, translated

# As in domain/rate.py, but by the server's clock: those of the processes may differ.
_ACQUIRE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local interval, period, slack = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
if tat + interval - now > period + slack * interval then
  return {0, string.format('%.6f', tat - now)}
end
tat = tat + interval
redis.call('SET', KEYS[1], string.format('%.6f', tat), 'PX', math.ceil((tat - now) * 1000))
return {1, string.format('%.6f', tat - now)}
"""


class Rates:
    """Rate limits by name, each a key that expires by itself. Raises Unavailable without Redis."""

    def __init__(self, redis: Redis) -> None:
        self._acquire = redis.register_script(_ACQUIRE)

    async def acquire(self, name: str, limit: int) -> RateLimitState:
        """Ask for one of ``limit`` requests a minute."""
        with translated():
            allowed, full_in_s = await self._acquire(
                keys=[keys.rate(name)], args=[PERIOD_S / limit, PERIOD_S, SLACK]
            )
        return state_of(limit, allowed=bool(allowed), full_in_s=float(raw(full_in_s)))
