"""Long work at a pace that leaves the machine to others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

RESTS = 2.0
"""Times as long as it worked."""

RESTS_WITHIN_S = 1200.0
"""Of the work's beginning. Then it is late, and goes on without."""


class Pace:
    """Rests between the parts of one piece of work, which begins now."""

    def __init__(
        self,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rest = rest
        self._now_s = now_s
        self._began_s = self._since_s = now_s()

    async def rest(self) -> None:
        """A part is done: rest before the next, the longer the longer it took."""
        now_s = self._now_s()
        if now_s - self._began_s < RESTS_WITHIN_S:
            await self._rest(RESTS * (now_s - self._since_s))
        self._since_s = self._now_s()
