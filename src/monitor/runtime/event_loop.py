"""Long work on the event loop that lets other requests run in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from monitor.domain.errors import Busy

T = TypeVar("T")

_YIELD_AFTER_S = 0.005


async def yield_to_loop(items: Iterator[T]) -> AsyncIterator[T]:
    """The same items; after each 5 ms of work on them the event loop runs other tasks."""
    began = time.perf_counter()
    for item in items:
        yield item
        if time.perf_counter() - began > _YIELD_AFTER_S:
            await asyncio.sleep(0)
            began = time.perf_counter()


class ConcurrencyLimit:
    """Limits concurrent requests of a kind that holds a database connection."""

    def __init__(self, kind: str, limit: int) -> None:
        self._kind, self._limit, self._taken = kind, limit, 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take a slot for a block. Raises Busy if all are taken."""
        if self._taken >= self._limit:
            raise Busy(f"{self._limit} {self._kind} are already running here; try again later.")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
