"""Limits how often a notification is sent, however often it is requested."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

Notify = Callable[[], Awaitable[None]]


class ThrottledNotify:
    """Calls ``notify`` in the background: the first time at once, then at most every second."""

    def __init__(self, notify: Notify, every_s: float = 1.0) -> None:
        self._notify, self._every_s = notify, every_s
        self._task: asyncio.Future[None] | None = None
        self._due = 0.0

    def request(self) -> None:
        """Notify now, if the interval has passed; otherwise a later call does it."""
        now = time.monotonic()
        if now >= self._due and (self._task is None or self._task.done()):
            self._due = now + self._every_s
            self._task = asyncio.ensure_future(self._notify())

    async def flush(self) -> None:
        """Notify once more, whatever was sent before."""
        if self._task is not None:
            await self._task
        await self._notify()
