"""Delivers the outbox in tasks beside the worker's threads.

The rows say what is due; a `deliver` message only wakes the outbox. A channel that hangs costs its
deliveries their time-outs, but no thread of the worker.
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
from monitor.storage.postgres import notifications
from monitor.storage.postgres.pool import Pool, transaction

log = get_logger(__name__)
_ERRORS = tasks.ErrorLog(log, failed="outbox.failed", unavailable="outbox.unavailable")
_DELIVERY_ERRORS = tasks.ErrorLog(
    log, failed="outbox.delivery_failed", unavailable="outbox.unavailable"
)

MAX_CONCURRENT_DELIVERIES = 16
"""Mail servers start to refuse at a few dozen connections from one sender."""

KEEP_DAYS = 30
"""How long to keep settled notifications of deleted websites, and of incidents closed together."""

_PAGE = 500
_FINISH_WITHIN_S = 2.0
_COUNT_EVERY_S = 60.0


class Outbox:
    """Delivers due notifications. Several workers share the outbox by claiming rows.

    ``send`` queues the messages that follow a delivery. ``count_every_s``: how often to count
    notifications that only newer workers can deliver.
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
        self._notified = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_DELIVERIES)
        self._unsupported: dict[str, int] = {}
        self._logged: set[str] = set()
        self._count_every_s = count_every_s
        self._count_at_s = 0.0
        self._loop = asyncio.create_task(self._run())

    @property
    def unsupported(self) -> int:
        """Notifications left to newer workers when last counted: their channel is unknown here."""
        return sum(self._unsupported.values())

    def notify(self) -> None:
        """Look for due notifications soon."""
        self._notified.set()

    async def close(self) -> None:
        """Start no more deliveries; give those running a moment to finish, then cancel them.

        A cancelled delivery stays in the outbox; its row is free again when its lease ends.
        """
        self._loop.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=_FINISH_WITHIN_S)
        await tasks.end(self._loop, *self._running)

    async def _run(self) -> None:
        """If this ended, nothing would be delivered until a restart."""
        await tasks.run_forever(self._deliver_when_notified, _ERRORS)

    async def _deliver_when_notified(self) -> None:
        await self._wait_for_notification()
        while await self._start_page():
            pass
        await self._count_unsupported()

    async def _wait_for_notification(self) -> None:
        """Also wakes up to count unsupported notifications again after others took them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._count_every_s if self._unsupported else None):
                await self._notified.wait()
        self._notified.clear()

    async def _start_page(self) -> bool:
        """Start to deliver a page of due notifications. Returns whether there may be more."""
        due = await self._deliverer.due(_PAGE)
        for row_id in due:
            await self._slots.acquire()
            task = asyncio.create_task(self._deliver(row_id))
            self._running.add(task)
            task.add_done_callback(self._finish)
        return len(due) == _PAGE

    async def _count_unsupported(self) -> None:
        """Count what only newer workers can deliver, at intervals; log each channel once."""
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

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()

    async def _deliver(self, row_id: UUID) -> None:
        # A row that cannot be rendered must not stop the others; it is retried after its lease.
        with _DELIVERY_ERRORS.logged(notification_id=str(row_id)):
            await self._send(await self._deliverer.deliver(row_id))


async def expire(pool: Pool) -> int:
    """Delete old notifications that are not deleted with a website; returns how many."""
    async with transaction(pool) as connection:
        return await notifications.expire(connection, KEEP_DAYS)
