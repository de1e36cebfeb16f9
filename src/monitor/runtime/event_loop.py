"""Long work on the event loop that lets other requests run in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

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
