"""Checks that take long: watched beside the batches they came from, so that none waits for them.

A website that hangs costs its own time-out. It must not cost a worker's thread, or a handful of
such websites, each in a batch of its own, would stop the checks of all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

from monitor.domain.outcome import Outcome, Reason, Result
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.storage.redis.projection import Entry

log = get_logger(__name__)
_ERRORS = tasks.ErrorLog(log, failed="stragglers.not_stored", unavailable="stragglers.not_stored")

Running = Mapping["asyncio.Task[Outcome]", Entry]
Measured = tuple[Entry, Outcome]

_GROUP_S = 0.25
"""Checks that end this close together are settled in one go."""


class Stragglers:
    """The late checks of one worker process, at most about ``limit`` of them.

    What is under way when the process dies is not measured for that slot; the next one is. A
    process that is asked to end gives it back instead: see ``close``.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._late: dict[asyncio.Task[Outcome], tuple[int, UUID]] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()

    def __len__(self) -> int:
        """How many checks are late and still under way."""
        return len(self._late)

    async def take(
        self,
        slot_s: int,
        running: Running,
        settle: Callable[[Sequence[Measured]], Awaitable[None]],
    ) -> None:
        """Watch these checks and settle each soon after it ends.

        Returns at once while there is room, else when there is again: so a worker that has
        too much to do takes no more messages.
        """
        self._late |= {task: (slot_s, entry.website_id) for task, entry in running.items()}
        watch = asyncio.create_task(self._watch(dict(running), settle))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        while len(self._late) > self._limit:
            self._room.clear()
            await self._room.wait()

    async def close(self) -> list[tuple[int, UUID]]:
        """Give up what is under way; returns the (slot, website) of each check not settled."""
        unsettled = list(self._late.values())
        await tasks.end(*self._watches, *self._late)
        self._late.clear()
        return unsettled

    async def _watch(
        self,
        left: dict[asyncio.Task[Outcome], Entry],
        settle: Callable[[Sequence[Measured]], Awaitable[None]],
    ) -> None:
        while left:
            await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            done, _ = await asyncio.wait(left, timeout=_GROUP_S)
            # What cannot be stored must not keep its place, or the places would run out.
            with _ERRORS.logged(websites=len(done)):
                await settle([(left[task], outcome_of(task)) for task in done])
            for task in done:
                del left[task], self._late[task]
            self._room.set()


def outcome_of(task: asyncio.Task[Outcome]) -> Outcome:
    """What a check that ended found. One that failed on our side says nothing of the website."""
    error = task.exception()
    if error is None:
        return task.result()
    log.error("check.failed", error=type(error).__name__, exc_info=error)
    return Outcome(Result.NOT_MEASURED, Reason.INTERNAL_ERROR)
