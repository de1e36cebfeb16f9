"""The time of an installation: that of its Redis, and not of the host that happens to ask."""

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

LOOK_EVERY_S = 5.0
_TOLD_S = 5.0
"""A host whose clock is off by more is told so in its log."""


class SharedClock:
    """Unix seconds that all workers agree on: Redis says them, a steady clock carries them on.

    So a host whose own clock is wrong, or is put right in the middle of its work, neither drops
    batches as too old nor makes checks before their time. Until Redis was heard it is the host's.
    """

    def __init__(
        self,
        steady: Callable[[], float] = time.monotonic,
        own: Callable[[], float] = time.time,
    ) -> None:
        self._steady, self._own = steady, own
        self._ahead_s = own() - steady()
        self._told_s = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return self._steady() + self._ahead_s

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    async def look(self, redis: Redis) -> None:
        """Ask Redis what time it is. Raises Unavailable."""
        asked = self._steady()
        said_s = await server_time(redis)
        answered = self._steady()
        # As it was said at some time in between, a difference smaller than that tells nothing.
        ahead_s = said_s - (asked + answered) / 2
        if abs(ahead_s - self._ahead_s) > answered - asked:
            self._ahead_s = ahead_s
        self._tell(self._own() - self.now())

    async def run(self, redis: Redis) -> None:
        """Ask Redis again and again."""
        await tasks.run_forever(lambda: self.look(redis), _ERRORS, pause_s=LOOK_EVERY_S)

    def _tell(self, off_s: float) -> None:
        """Say once that the host's own clock is off, and once that it is right again."""
        if abs(off_s - self._told_s) < _TOLD_S:
            return
        self._told_s = off_s if abs(off_s) >= _TOLD_S else 0.0
        log.warning("clock.differs_from_redis", off_s=round(off_s, 1))
