"""Limits on the requests of a key and on the wrong keys of an address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.errors import Unavailable
from monitor.domain.rate import RateLimitState, acquire
from monitor.runtime.logging import get_logger
from monitor.storage.redis.rates import Rates

log = get_logger(__name__)

_MAX_BUCKETS = 10_000
_REDIS_RETRY_AFTER_S = 5.0
"""How long not to retry an unresponsive Redis, so that requests need not wait for it."""


class RateLimits(Struct, frozen=True):
    """Attempts per minute; 0: unlimited. ``redis_timeout_s``: how long to wait for Redis."""

    requests: int = 0
    wrong_keys: int = 0
    redis_timeout_s: float = 0.25


class Buckets:
    """Rate limits kept in this process, for up to 10,000 names. ``now_s`` is monotonic."""

    def __init__(self, limit: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._now_s = limit, now_s
        self._tat_s: dict[str, float] = {}

    def acquire(self, name: str) -> RateLimitState:
        """Count one attempt."""
        state, tat_s = acquire(self._limit, self._tat_s.pop(name, 0.0), self._now_s())
        while len(self._tat_s) >= _MAX_BUCKETS:
            del self._tat_s[next(iter(self._tat_s))]
        self._tat_s[name] = tat_s
        return state

    def peek(self, name: str) -> RateLimitState:
        """The state after one more attempt, without counting one."""
        return acquire(self._limit, self._tat_s.get(name, 0.0), self._now_s())[0]


class KeyLimit:
    """Limits requests per key across all API processes; while Redis is down, per process."""

    def __init__(
        self, redis: Redis, limits: RateLimits, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.requests = limits.requests
        self._timeout_s = limits.redis_timeout_s
        self._rates = Rates(redis) if limits.requests else None
        self._local = Buckets(limits.requests, now_s)
        self._now_s = now_s
        self._local_until_s = 0.0

    async def acquire(self, name: str) -> RateLimitState | None:
        """Count one request; None if requests are not limited."""
        if self._rates is None:
            return None
        if self._now_s() < self._local_until_s:
            return self._local.acquire(name)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._rates.acquire(name, self.requests)
        except (Unavailable, TimeoutError) as error:
            self._local_until_s = self._now_s() + _REDIS_RETRY_AFTER_S
            log.warning("rate_limits.redis_unavailable", error=type(error).__name__)
            return self._local.acquire(name)


class WrongKeys:
    """Limits wrong keys per source: an IPv4 address or an IPv6 /64.

    Counts in this process only, so that guessing keys puts no load on Redis or Postgres.
    """

    def __init__(self, limit: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._buckets = Buckets(limit, now_s) if limit else None

    def blocked(self, address: str) -> RateLimitState | None:
        """The state of an address over the limit; None if it may try."""
        if self._buckets is None:
            return None
        state = self._buckets.peek(source_of(address))
        return None if state.allowed else state

    def count(self, address: str) -> None:
        """Count one wrong key."""
        if self._buckets is not None:
            self._buckets.acquire(source_of(address))


def source_of(address: str) -> str:
    """What counts as one source: an IPv4 address or an IPv6 /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(int(parsed) >> 64)
    return str(parsed)
