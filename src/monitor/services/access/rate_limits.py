"""How many requests a key may make, and how many wrong keys an address may try."""

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

_MOST = 10_000
_AWAY_S = 5.0
"""A Redis that did not answer is not asked for so long: nobody waits for it again and again."""


class Limits(Struct, frozen=True):
    """Times a minute; 0: as often as they like. ``patience_s``: how long Redis is waited for."""

    requests: int = 0
    wrong_keys: int = 0
    patience_s: float = 0.25


class Buckets:
    """Buckets of this process, the latest 10,000. ``now_s`` is a monotonic clock."""

    def __init__(self, limit: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._now_s = limit, now_s
        self._full_at_s: dict[str, float] = {}

    def spend(self, name: str) -> RateLimitState:
        """One time more."""
        now, full_s = acquire(self._limit, self._full_at_s.pop(name, 0.0), self._now_s())
        while len(self._full_at_s) >= _MOST:
            del self._full_at_s[next(iter(self._full_at_s))]
        self._full_at_s[name] = full_s
        return now

    def look(self, name: str) -> RateLimitState:
        """What one time more would be, without doing it."""
        return acquire(self._limit, self._full_at_s.get(name, 0.0), self._now_s())[0]


class KeyLimit:
    """Requests by key, counted over all API processes in Redis; while that is away, in each."""

    def __init__(
        self, redis: Redis, limits: Limits, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.requests = limits.requests
        self._patience_s = limits.patience_s
        self._rates = Rates(redis) if limits.requests else None
        self._own = Buckets(limits.requests, now_s)
        self._now_s = now_s
        self._away_until_s = 0.0

    async def spend(self, name: str) -> RateLimitState | None:
        """One request more; None: there is no limit."""
        if self._rates is None:
            return None
        if self._now_s() < self._away_until_s:
            return self._own.spend(name)
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._rates.acquire(name, self.requests)
        except (Unavailable, TimeoutError) as error:
            self._away_until_s = self._now_s() + _AWAY_S
            log.warning("rate_limits.redis_unavailable", error=type(error).__name__)
            return self._own.spend(name)


class WrongKeys:
    """Wrong keys by where they come from, an IPv4 address or an IPv6 network of 64 bits; counted in
    this process alone: neither Redis nor Postgres shall be troubled by whoever guesses."""

    def __init__(self, limit: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._buckets = Buckets(limit, now_s) if limit else None

    def refused(self, address: str) -> RateLimitState | None:
        """Where this address stands that has tried too many; None: it may try."""
        if self._buckets is None:
            return None
        now = self._buckets.look(_source(address))
        return None if now.allowed else now

    def note(self, address: str) -> None:
        """One wrong key more."""
        if self._buckets is not None:
            self._buckets.spend(_source(address))


def _source(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(int(found) >> 64)
    return str(found)
