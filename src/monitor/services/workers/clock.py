"""The time of an installation: that of its Redis, not of the host that asks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from redis.asyncio import Redis

from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.storage.redis.client import server_time

log = get_logger(__name__)
_ERRORS = tasks.ErrorLog(
    log, failed="clock.failed", unavailable="clock.not_compared", level=logging.INFO
)

SYNC_EVERY_S = 5.0
_WARN_OFFSET_S = 5.0
"""If a host's clock is off by more, its log says so."""


class SharedClock:
    """Unix seconds that all workers agree on: taken from Redis, carried on by a monotonic clock.

    So a host whose own clock is wrong or is stepped neither drops batches as too old nor checks
    too early. Until Redis has answered, the host's clock counts.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        host: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic, self._host = monotonic, host
        self._offset_s = host() - monotonic()
        self._warned_s = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return self._monotonic() + self._offset_s

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    async def sync(self, redis: Redis) -> None:
        """Take the time from Redis. Raises Unavailable."""
        before_s = self._monotonic()
        redis_s = await server_time(redis)
        after_s = self._monotonic()
        # Redis read its clock somewhere in between: a smaller difference means nothing.
        offset_s = redis_s - (before_s + after_s) / 2
        if abs(offset_s - self._offset_s) > after_s - before_s:
            self._offset_s = offset_s
        self._warn(self._host() - self.now())

    async def run(self, redis: Redis) -> None:
        """Repeat ``sync`` for ever."""
        await tasks.run_forever(lambda: self.sync(redis), _ERRORS, pause_s=SYNC_EVERY_S)

    def _warn(self, off_s: float) -> None:
        """Log once that the host's clock is off, and once that it is right again."""
        if abs(off_s - self._warned_s) < _WARN_OFFSET_S:
            return
        self._warned_s = off_s if abs(off_s) >= _WARN_OFFSET_S else 0.0
        log.warning("clock.differs_from_redis", off_s=round(off_s, 1))
