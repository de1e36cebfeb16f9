"""Watching whether Redis still has the projection: without it nothing is checked.

The minute's sync would notice, too. Looking every few seconds is the difference between losing
the slots of a minute and losing those of the time that the rebuild takes.
"""

from __future__ import annotations

import asyncio

from monitor.domain.ring import MINUTE_S
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.services.scheduling.emit import Emitter, emit_minute
from monitor.services.scheduling.sync import Syncer, SyncTurns
from monitor.storage.redis.rebuild import marker, server_run

log = get_logger(__name__)

LOOK_EVERY_S = 5.0


class ProjectionWatch:
    """Has the projection made again where it is gone, and the rest of the minute checked."""

    def __init__(self, syncer: Syncer, turns: SyncTurns, emitter: Emitter) -> None:
        self._syncer = syncer
        self._turns = turns
        self._emitter = emitter
        self._emptied = False
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, on the running event loop."""
        self._looking = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            await tasks.end(self._looking)

    async def note(self) -> None:
        """To be called before a minute is emitted: without a projection nothing will be."""
        self._emptied |= await marker(self._syncer.redis) is None

    async def look(self) -> None:
        """Look once. Raises Unavailable without Redis, or without Postgres where it is needed."""
        redis = self._syncer.redis
        await self.note()
        if self._emptied or await marker(redis) != await server_run(redis):
            await self._turns.sync()
        # Another sync of this process may be under way; then this waits for the next look.
        if self._emptied and await marker(redis) is not None:
            await self._emit_rest()
            self._emptied = False

    async def _emit_rest(self) -> None:
        """Queue the batches of this minute that are still to come.

        Those of Redis went with the projection. Where a worker had fetched some already, they are
        made twice: the second one finds its slot done.
        """
        now_s = int(self._syncer.now())
        batches = await emit_minute(self._emitter, now_s // MINUTE_S * MINUTE_S, now_s)
        log.info("projection.checked_again", batches=batches)

    async def _run(self) -> None:
        """Should this end, an emptied Redis would wait for the minute's sync again."""
        errors = tasks.ErrorLog(
            log, failed="projection.watch_failed", unavailable="projection.not_looked_at", once=True
        )
        await tasks.run_forever(self.look, errors, pause_s=LOOK_EVERY_S)
