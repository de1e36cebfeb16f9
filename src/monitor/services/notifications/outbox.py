"""Emptying the outbox in tasks of its own, so that nobody waits for a channel.

A message that names a notification is a nudge: the rows say what is to be delivered. A channel
that hangs costs deliveries their time-outs, and no thread of the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from monitor.domain.messages import Outgoing
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.services.notifications.deliver import Deliverer

log = get_logger(__name__)
_ERRORS = tasks.ErrorLog(log, failed="outbox.failed", unavailable="outbox.unavailable")
_DELIVERY_ERRORS = tasks.ErrorLog(
    log, failed="outbox.delivery_failed", unavailable="outbox.unavailable"
)

AT_ONCE = 16
"""Deliveries under way at once; mail servers begin to refuse at a few dozen from one sender."""

_PAGE = 500
_FINISH_WITHIN_S = 2.0
_COUNT_EVERY_S = 60.0


class Outbox:
    """Delivers what is due, one process's share of it; workers beside each other share by claims.

    ``send`` queues the messages that follow a delivery. ``count_every_s``: how often to count
    what only newer workers can deliver.
    """

    def __init__(
        self,
        deliverer: Deliverer,
        send: Callable[[Sequence[Outgoing]], Awaitable[None]],
        *,
        count_every_s: float = _COUNT_EVERY_S,
    ) -> None:
        self._deliverer = deliverer
        self._send = send
        self._nudged = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._unsupported: dict[str, int] = {}
        self._logged: set[str] = set()
        self._count_every_s = count_every_s
        self._count_at_s = 0.0
        self._emptying = asyncio.create_task(self._run())

    @property
    def unsupported(self) -> int:
        """Notifications left to newer workers when last counted: their channel is unknown here."""
        return sum(self._unsupported.values())

    def nudge(self) -> None:
        """Something is due, or may be."""
        self._nudged.set()

    async def close(self) -> None:
        """Begin nothing more, and let what is under way end if it can do so soon.

        What is cut off stays in the outbox; its row is free again when its lease is over.
        """
        self._emptying.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_FINISH_WITHIN_S)
        await tasks.end(self._emptying, *self._under_way)

    async def _run(self) -> None:
        """If this ended, nothing would leave until a restart; the sweep nudges again."""
        await tasks.run_forever(self._empty_when_nudged, _ERRORS)

    async def _empty_when_nudged(self) -> None:
        await self._wait_for_nudge()
        while await self._empty():
            pass
        await self._count_unsupported()

    async def _wait_for_nudge(self) -> None:
        """What is left to others is counted again even if nobody nudges once they took it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._count_every_s if self._unsupported else None):
                await self._nudged.wait()
        self._nudged.clear()

    async def _empty(self) -> bool:
        """Begin to deliver a page of what is due; whether there may be more."""
        due = await self._deliverer.due(_PAGE)
        for row_id in due:
            await self._slots.acquire()
            task = asyncio.create_task(self._deliver(row_id))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        return len(due) == _PAGE

    async def _count_unsupported(self) -> None:
        """Count what only newer workers can deliver, now and then; log each kind once."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._count_at_s:
            return
        self._count_at_s = now_s + self._count_every_s
        self._unsupported = await self._deliverer.unsupported()
        for channel in self._unsupported.keys() - self._logged:
            self._logged.add(channel)
            log.warning(
                "outbox.unsupported_channel",
                channel=channel,
                notifications=self._unsupported[channel],
                help="a newer version queued them; they wait for a worker of that version",
            )

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._slots.release()

    async def _deliver(self, row_id: UUID) -> None:
        # One row that cannot be rendered must not stop the others; its lease puts it off.
        with _DELIVERY_ERRORS.logged(notification_id=str(row_id)):
            await self._send(await self._deliverer.deliver(row_id))
