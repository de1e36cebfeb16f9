"""Synchronises the projection in Redis with Postgres: by single changes, or as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis

from monitor.domain import messages
from monitor.domain.ids import ring_position
from monitor.domain.messages import CheckWebsites, Outgoing
from monitor.domain.ring import MINUTE_S, slots_of_position, turn_of
from monitor.resources.website import Definition, Projected
from monitor.runtime.logging import get_logger
from monitor.storage.postgres import changes
from monitor.storage.postgres.pool import Connection, Pool
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.rebuild import Rebuild, marker, server_run

log = get_logger(__name__)

_PAGE = 2000
_CHECK_AT_ONCE = 500
"""If a page has more new websites than this, they wait for their slots: an import is not urgent."""

Progress = Callable[[int, int], None]
"""Called with (done, total) websites during a full sync."""


@dataclass(frozen=True, slots=True)
class ProjectionSync:
    """Writes committed changes to the projection. ``now`` returns Unix seconds."""

    pool: Pool
    redis: Redis
    now: Callable[[], float]

    async def sync_changes(self) -> list[Outgoing]:
        """Apply all committed changes to Redis, oldest first; returns checks to make at once.

        A full sync where Redis was restarted or emptied, or where everything may have changed.
        """
        if await self._is_missing():
            await self._rebuild_missing()
        follow_up: list[Outgoing] = []
        while True:
            async with changes.syncing(self.pool) as connection:
                page = await changes.take(connection, _PAGE)
                regions = await changes.region_names(connection)
                if any(c.website_id is None for c in page):
                    renewed = {c.forget_region for c in page if c.forget_region is not None}
                    await self._rebuild(connection, regions, renewed=renewed)
                follow_up += await self._apply(connection, page, regions)
            if len(page) < _PAGE:
                return follow_up

    async def full_sync(self, progress: Progress | None = None) -> int:
        """Build a new projection beside the old one and swap it in; returns how many websites.

        Changes committed meanwhile have rows of their own, which are applied afterwards.
        """
        async with changes.syncing(self.pool) as connection:
            await connection.execute("SET LOCAL statement_timeout = 0")
            regions = await changes.region_names(connection)
            return await self._rebuild(connection, regions, progress=progress)

    async def _is_missing(self) -> bool:
        return await marker(self.redis) != await server_run(self.redis)

    async def _rebuild_missing(self) -> None:
        """A full sync, unless another process made it while this one waited for the lock."""
        async with changes.syncing(self.pool) as connection:
            if not await self._is_missing():
                return
            log.warning("projection.missing")
            await connection.execute("SET LOCAL statement_timeout = 0")
            regions = await changes.region_names(connection)
            await self._rebuild(connection, regions)

    async def _apply(
        self, connection: Connection, page: list[changes.Change], regions: list[str]
    ) -> list[Outgoing]:
        ids = sorted({c.website_id for c in page if c.website_id is not None})
        definitions = await changes.definitions(connection, ids)
        websites = [Projected(i, definitions.get(i)) for i in ids]
        forget = {c.website_id for c in page if c.website_id is not None and c.forget}
        await Projection(self.redis).apply(websites, regions, forget)
        at_once = {c.website_id for c in page if c.check_now and c.website_id in definitions}
        if len(at_once) > _CHECK_AT_ONCE:
            return []
        # The next second: the old definition may already have been checked in this one.
        soon_s = int(self.now()) + 1
        return _checks({i: d for i, d in definitions.items() if i in at_once}, regions, soon_s)

    async def _rebuild(
        self,
        connection: Connection,
        regions: list[str],
        *,
        renewed: Collection[str] = (),
        progress: Progress | None = None,
    ) -> int:
        rebuild = Rebuild(self.redis, regions)
        run = await server_run(self.redis)
        total, done = await changes.count_websites(connection), 0
        await rebuild.begin()
        async for page in changes.all_definitions(connection):
            await rebuild.put(page)
            done += len(page)
            if progress is not None:
                progress(done, max(total, done))
        await rebuild.swap(run, renewed)
        await rebuild.prune()
        log.info("projection.rebuilt", websites=done)
        return done


class CoalescedSync:
    """Runs one sync at a time in this process; a call during a sync makes it run once more.

    Concurrent syncs would wait for each other anyway, each holding a thread and a connection, and
    the sync after an import takes long. If the process dies, the change rows are still there.
    """

    def __init__(
        self, sync: ProjectionSync, send: Callable[[Sequence[Outgoing]], Awaitable[None]]
    ) -> None:
        self._sync = sync
        self._send = send
        self._running = False
        self._again = False

    async def sync(self) -> None:
        """Apply all committed changes and send the checks that follow, or let the running sync
        do it."""
        self._again = True
        if self._running:
            return
        self._running = True
        try:
            while self._again:
                self._again = False
                await self._send(await self._sync.sync_changes())
        finally:
            self._running = False


def _checks(websites: dict[UUID, Definition], regions: list[str], soon_s: int) -> list[Outgoing]:
    """A check of each website at ``soon_s``, and at its remaining slots in this minute.

    This minute's batches were queued before the website existed, perhaps none for its arc.
    """
    due: dict[tuple[str, int, bool], list[UUID]] = {}
    for website_id, definition in websites.items():
        checks = _checks_of(ring_position(website_id), definition.check.check_frequency, soon_s)
        for region in regions if definition.regions is None else definition.regions:
            for slot_s, in_turn in checks.items():
                due.setdefault((region, slot_s, in_turn), []).append(website_id)
    return [
        messages.check_websites(
            CheckWebsites(region=region, website_ids=ids, slot_ms=slot_s * 1000, in_turn=in_turn)
        )
        for (region, slot_s, in_turn), ids in due.items()
    ]


def _checks_of(position: int, interval_s: int, soon_s: int) -> dict[int, bool]:
    """When to check a website until the next minute's batches, and whether that fills a slot.

    A slot whose turn had passed was not due. It is skipped, unless the interval is so short that
    the next one would be late.
    """
    end_s = soon_s - soon_s % MINUTE_S + MINUTE_S
    slots = slots_of_position(position, interval_s, soon_s, end_s)
    turns = {slot_s: turn_of(slot_s, interval_s) for slot_s in slots}
    checks = {soon_s: soon_s in turns.values()}
    for slot_s, turn_s in turns.items():
        if slot_s > soon_s and (turn_s > soon_s or interval_s < MINUTE_S):
            checks[slot_s] = turn_s > soon_s
    return checks
