"""Long work on the event loop, in turns: other requests get theirs in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from monitor.domain.errors import Busy

T = TypeVar("T")

_TURN_S = 0.005


async def in_turns(items: Iterator[T]) -> AsyncIterator[T]:
    """The same items; after 5 ms of work the event loop has its turn."""
    began = time.perf_counter()
    for item in items:
        yield item
        if time.perf_counter() - began > _TURN_S:
            await asyncio.sleep(0)
            began = time.perf_counter()


class Slots:
    """How many requests of a kind that holds a database connection may run at once."""

    def __init__(self, kind: str, most: int) -> None:
        self._kind, self._most, self._taken = kind, most, 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """A slot for the length of a block. Raises Busy where all are taken."""
        if self._taken >= self._most:
            raise Busy(f"{self._most} {self._kind} are under way here already; try again later.")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
