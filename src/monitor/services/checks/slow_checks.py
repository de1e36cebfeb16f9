"""Slow checks: watched outside their batches, so that no batch waits for them.

A website that hangs costs its own timeout. It must not occupy a worker's thread: otherwise a
handful of such websites, each in a batch of its own, would stop all other checks.
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
_ERRORS = tasks.ErrorLog(log, failed="slow_checks.not_stored", unavailable="slow_checks.not_stored")

Running = Mapping["asyncio.Task[Outcome]", Entry]
CheckResult = tuple[Entry, Outcome]

_GROUP_S = 0.25
"""Checks that end this close together are processed together."""


class SlowChecks:
    """The slow checks of one worker process, at most about ``limit`` of them.

    If the process dies, these checks are not measured for their slot. A process that shuts down
    requeues them: see ``close``.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: dict[asyncio.Task[Outcome], tuple[int, bool, UUID]] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()

    def __len__(self) -> int:
        """How many slow checks are still running."""
        return len(self._running)

    async def add(
        self,
        slot_s: int,
        running: Running,
        process: Callable[[Sequence[CheckResult]], Awaitable[None]],
        *,
        in_turn: bool,
    ) -> None:
        """Watch these checks and process each soon after it ends.

        Returns once there is room for more, so that an overloaded worker fetches no messages.
        """
        self._running |= {
            task: (slot_s, in_turn, entry.website_id) for task, entry in running.items()
        }
        watch = asyncio.create_task(self._watch(dict(running), process))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        while len(self._running) > self._limit:
            self._room.clear()
            await self._room.wait()

    async def close(self) -> list[tuple[int, bool, UUID]]:
        """Cancel all checks; returns (slot, in turn, website) of each that was not processed."""
        unprocessed = list(self._running.values())
        await tasks.end(*self._watches, *self._running)
        self._running.clear()
        return unprocessed

    async def _watch(
        self,
        pending: dict[asyncio.Task[Outcome], Entry],
        process: Callable[[Sequence[CheckResult]], Awaitable[None]],
    ) -> None:
        while pending:
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            done, _ = await asyncio.wait(pending, timeout=_GROUP_S)
            # Results that cannot be stored must free their room, or it would run out.
            with _ERRORS.logged(websites=len(done)):
                await process([(pending[task], outcome_of(task)) for task in done])
            for task in done:
                del pending[task], self._running[task]
            self._room.set()


def outcome_of(task: asyncio.Task[Outcome]) -> Outcome:
    """The outcome of a finished check. A failure on our side is not measured."""
    error = task.exception()
    if error is None:
        return task.result()
    log.error("check.failed", error=type(error).__name__, exc_info=error)
    return Outcome(Result.NOT_MEASURED, Reason.INTERNAL_ERROR)
