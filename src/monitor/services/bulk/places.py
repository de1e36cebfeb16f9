"""The places of imports or exports in a process, and the wait for one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from monitor.domain.errors import Busy
from monitor.domain.places import giving_way, next_waiter

WAIT_S = 5.0
"""How long to wait for a place: less than a request may take."""


class GaveWay(Busy):
    """This transfer gave up its place, because its key holds several and others wait."""


class Place:
    """The place of one transfer."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self.revoked = False
        self._waits: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """A wait for the client: TimeoutError after these seconds, or once the place is revoked."""
        async with asyncio.timeout(0 if self.revoked else seconds) as timeout:
            self._waits.add(timeout)
            try:
                yield
            finally:
                self._waits.discard(timeout)

    def revoke(self) -> None:
        """Have the transfer end, now if it waits for its client, else before it does so again."""
        self.revoked = True
        for timeout in self._waits:
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())


class Places:
    """A limited number of places. While others wait, nobody keeps more than one."""

    def __init__(self, kind: str, limit: int, wait_s: float = WAIT_S) -> None:
        """``kind``: the plural of what holds a place, for people."""
        self._kind, self._limit, self._wait_s = kind, limit, wait_s
        self._taken: list[Place] = []
        self._waiting: list[tuple[str, asyncio.Future[Place]]] = []

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return len(self._taken)

    @asynccontextmanager
    async def place(self, holder: str) -> AsyncIterator[Place]:
        """A place for a block. Raises Busy if none gets free in time."""
        place = await self._enter(holder)
        try:
            yield place
        finally:
            self._taken.remove(place)
            self._settle()

    async def _enter(self, holder: str) -> Place:
        turn: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        waiter = (holder, turn)
        self._waiting.append(waiter)
        self._settle()
        holds_one = any(place.holder == holder for place in self._taken)
        try:
            async with asyncio.timeout(0 if holds_one else self._wait_s):
                return await turn
        except TimeoutError:
            if _has_result(turn):
                return turn.result()
            detail = f"{self._limit} {self._kind} are already running here; try again later."
            raise Busy(detail) from None
        except asyncio.CancelledError:
            if _has_result(turn):
                self._taken.remove(turn.result())
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            self._settle()

    def _settle(self) -> None:
        """Hand out free places, and revoke what must be given up for those who wait."""
        while len(self._taken) < self._limit and self._waiting:
            holders = [place.holder for place in self._taken]
            position = next_waiter(holders, [holder for holder, _ in self._waiting])
            assert position is not None
            holder, future = self._waiting.pop(position)
            if not future.done():
                self._taken.append(Place(holder))
                future.set_result(self._taken[-1])
        while (place := self._must_give_way()) is not None:
            place.revoke()

    def _must_give_way(self) -> Place | None:
        staying = [place for place in self._taken if not place.revoked]
        leaving = len(self._taken) - len(staying)
        waiting = [holder for holder, _ in self._waiting]
        position = giving_way([place.holder for place in staying], waiting, leaving)
        return None if position is None else staying[position]


def _has_result(turn: asyncio.Future[Place]) -> bool:
    return turn.done() and not turn.cancelled()
