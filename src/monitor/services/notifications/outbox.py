"""Emptying the outbox: deliveries of their own, so that nobody waits for a mail server.

A message that names a notification is a nudge: the rows say what is to be delivered. A mail
server that hangs costs deliveries their time-outs, and no thread of the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from monitor.domain.messages import Outgoing
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.services.notifications.deliver import Courier, deliver
from monitor.storage.postgres import notifications
from monitor.storage.postgres.pool import transaction

log = get_logger(__name__)
_ERRORS = tasks.ErrorLog(log, failed="outbox.failed", unavailable="outbox.unavailable")
_DELIVERY_ERRORS = tasks.ErrorLog(
    log, failed="outbox.delivery_failed", unavailable="outbox.unavailable"
)

AT_ONCE = 16
"""Deliveries under way at once; mail servers begin to refuse at a few dozen from one sender."""

_PAGE = 500
_FINISH_WITHIN_S = 2.0


class Outbox:
    """Delivers what is due, one process's share of it; workers beside each other share by claims.

    ``send`` queues the messages that follow a delivery.
    """

    def __init__(
        self, courier: Courier, send: Callable[[Sequence[Outgoing]], Awaitable[None]]
    ) -> None:
        self._courier = courier
        self._send = send
        self._nudged = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._emptying = asyncio.create_task(self._run())

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
        """Should this end, no mail would leave until a restart; the sweep nudges again."""
        await tasks.run_forever(self._empty_when_nudged, _ERRORS)

    async def _empty_when_nudged(self) -> None:
        await self._nudged.wait()
        self._nudged.clear()
        while await self._empty():
            pass

    async def _empty(self) -> bool:
        """Begin to deliver a page of what is due; whether there may be more."""
        async with transaction(self._courier.pool) as connection:
            due = await notifications.due(connection, _PAGE)
        for row_id in due:
            await self._slots.acquire()
            task = asyncio.create_task(self._deliver(row_id))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        return len(due) == _PAGE

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._slots.release()

    async def _deliver(self, row_id: UUID) -> None:
        # One row that cannot be rendered must not stop the others; its lease puts it off.
        with _DELIVERY_ERRORS.logged(notification_id=str(row_id)):
            await self._send(await deliver(self._courier, row_id))
