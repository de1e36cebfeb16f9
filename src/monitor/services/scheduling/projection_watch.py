"""Detects within seconds that Redis lost the projection: without it nothing is checked.

The minutely sync would notice too. Looking every few seconds limits the loss to the slots due
during the rebuild, instead of those of a whole minute.
"""

from __future__ import annotations

import asyncio

from monitor.domain.ring import MINUTE_S
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.services.scheduling.emit import BatchEmitter
from monitor.services.scheduling.sync import CoalescedSync, ProjectionSync
from monitor.storage.redis.rebuild import marker, server_run

log = get_logger(__name__)

CHECK_EVERY_S = 5.0


class ProjectionWatch:
    """Rebuilds a lost projection and dispatches the rest of the minute."""

    def __init__(
        self, sync: ProjectionSync, coalesced: CoalescedSync, emitter: BatchEmitter
    ) -> None:
        self._sync = sync
        self._coalesced = coalesced
        self._emitter = emitter
        self._lost = False
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start checking, on the running event loop."""
        self._loop = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop checking."""
        if self._loop is not None:
            await tasks.end(self._loop)

    async def note_loss(self) -> None:
        """Call this before a minute is dispatched: without a projection it has no batches."""
        self._lost |= await marker(self._sync.redis) is None

    async def check(self) -> None:
        """Check once. Raises Unavailable without Redis, or without Postgres if it is needed."""
        redis = self._sync.redis
        await self.note_loss()
        if self._lost or await marker(redis) != await server_run(redis):
            await self._coalesced.sync()
        # Another sync of this process may still be running; then the next check continues here.
        if self._lost and await marker(redis) is not None:
            await self._emit_rest()
            self._lost = False

    async def _emit_rest(self) -> None:
        """Queue the batches of this minute that are still due.

        Those in Redis were lost with the projection. Batches that a worker had already fetched run
        twice, and the second run finds their slots done.
        """
        now_s = int(self._sync.now())
        batches = await self._emitter.emit_minute(now_s // MINUTE_S * MINUTE_S, now_s)
        log.info("projection.checked_again", batches=batches)

    async def _run(self) -> None:
        """If this ended, a lost projection would wait for the minutely sync again."""
        errors = tasks.ErrorLog(
            log, failed="projection.watch_failed", unavailable="projection.not_looked_at", once=True
        )
        await tasks.run_forever(self.check, errors, pause_s=CHECK_EVERY_S)
