"""Telling somebody that there is work, often asked and seldom done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

Nudge = Callable[[], Awaitable[None]]


class Nudges:
    """Calls ``nudge`` beside the caller's work: the first time at once, then once a second."""

    def __init__(self, nudge: Nudge, every_s: float = 1.0) -> None:
        self._nudge, self._every_s = nudge, every_s
        self._task: asyncio.Future[None] | None = None
        self._due = 0.0

    def ask(self) -> None:
        """There is something to tell; it is told now, or with the next one asked for."""
        now = time.monotonic()
        if now >= self._due and (self._task is None or self._task.done()):
            self._due = now + self._every_s
            self._task = asyncio.ensure_future(self._nudge())

    async def last(self) -> None:
        """Tell for the last time, whatever was told before."""
        if self._task is not None:
            await self._task
        await self._nudge()
