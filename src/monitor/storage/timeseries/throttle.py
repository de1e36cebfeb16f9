"""Throttles long work so that it leaves the CPU to others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PAUSE_FACTOR = 2.0
"""A pause is this many times as long as the work before it."""

THROTTLED_FOR_S = 1200.0
"""After this time since its start the work is late, and continues without pauses."""


class Throttle:
    """Pauses between the parts of one piece of work, which starts now."""

    def __init__(
        self,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._now_s = now_s
        self._began_s = self._since_s = now_s()

    async def pause(self) -> None:
        """Pause after a part, in proportion to the time it took."""
        now_s = self._now_s()
        if now_s - self._began_s < THROTTLED_FOR_S:
            await self._sleep(PAUSE_FACTOR * (now_s - self._since_s))
        self._since_s = self._now_s()
