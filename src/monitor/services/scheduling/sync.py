"""Keeping the projection in Redis true to Postgres: one path for a change, one for everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis

from monitor.domain import messages
from monitor.domain.ids import ring_position
from monitor.domain.messages import CheckWebsites, Outgoing
from monitor.domain.ring import MINUTE_S, slots_of_position
from monitor.resources.website import Definition, Projected
from monitor.runtime.logging import get_logger
from monitor.storage.postgres import changes
from monitor.storage.postgres.pool import Connection, Pool
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.rebuild import Rebuild, marker, server_run

log = get_logger(__name__)

_PAGE = 2000
_CHECK_AT_ONCE = 500
"""More new websites than this in one page are left to their slots: an import is no emergency."""

Progress = Callable[[int, int], None]
"""Told (done, total) websites as a full sync goes on."""


@dataclass(frozen=True, slots=True)
class Syncer:
    """What syncing needs. ``now`` gives Unix seconds."""

    pool: Pool
    redis: Redis
    now: Callable[[], float]


async def sync_changes(syncer: Syncer) -> list[Outgoing]:
    """Show all committed changes in Redis, oldest first; returns the checks to make at once.

    Where Redis was restarted or emptied, or everything may have changed, this is a full sync.
    """
    if await _is_missing(syncer):
        await _rebuild_missing(syncer)
    follow: list[Outgoing] = []
    while True:
        async with changes.syncing(syncer.pool) as connection:
            page = await changes.take(connection, _PAGE)
            regions = await changes.region_names(connection)
            if any(c.website_id is None for c in page):
                renewed = {c.forget_region for c in page if c.forget_region is not None}
                await _rebuild(syncer, connection, regions, renewed=renewed)
            follow += await _apply(syncer, connection, page, regions)
        if len(page) < _PAGE:
            return follow


async def _is_missing(syncer: Syncer) -> bool:
    return await marker(syncer.redis) != await server_run(syncer.redis)


async def _rebuild_missing(syncer: Syncer) -> None:
    """A full sync, unless somebody else made it while this one waited for its turn."""
    async with changes.syncing(syncer.pool) as connection:
        if not await _is_missing(syncer):
            return
        log.warning("projection.missing")
        await connection.execute("SET LOCAL statement_timeout = 0")
        regions = await changes.region_names(connection)
        await _rebuild(syncer, connection, regions)


class SyncTurns:
    """Syncs of one process, one at a time: a nudge that comes while one runs makes it look again.

    They would wait for each other anyway, each with a thread and a connection in its hands, and
    one sync after an import takes long. Should the process die, the change rows are still there.
    """

    def __init__(
        self, syncer: Syncer, send: Callable[[Sequence[Outgoing]], Awaitable[None]]
    ) -> None:
        self._syncer = syncer
        self._send = send
        self._running = False
        self._again = False

    async def sync(self) -> None:
        """Show all committed changes and send the checks that follow; or have that done."""
        self._again = True
        if self._running:
            return
        self._running = True
        try:
            while self._again:
                self._again = False
                await self._send(await sync_changes(self._syncer))
        finally:
            self._running = False


async def _apply(
    syncer: Syncer, connection: Connection, page: list[changes.Change], regions: list[str]
) -> list[Outgoing]:
    ids = sorted({c.website_id for c in page if c.website_id is not None})
    found = await changes.definitions(connection, ids)
    websites = [Projected(i, found.get(i)) for i in ids]
    forget = {c.website_id for c in page if c.website_id is not None and c.forget}
    await Projection(syncer.redis).apply(websites, regions, forget)
    at_once = {c.website_id for c in page if c.check_now and c.website_id in found}
    if len(at_once) > _CHECK_AT_ONCE:
        return []
    # The next second: a check of this one may have been made already, of what it was before.
    soon_s = int(syncer.now()) + 1
    return _checks({i: found[i] for i in found if i in at_once}, regions, soon_s)


def _checks(websites: dict[UUID, Definition], regions: list[str], soon_s: int) -> list[Outgoing]:
    """A check of each website at ``soon_s``, and those of its slots left in this minute.

    The minute's batches were queued before the website came, perhaps none for its arc. Slots
    of intervals of a minute and more can wait for their next turn.
    """
    due: dict[tuple[str, int], list[UUID]] = {}
    for website_id, definition in websites.items():
        for region in regions if definition.regions is None else definition.regions:
            for slot_s in (soon_s, *_slots_left(website_id, definition, soon_s)):
                due.setdefault((region, slot_s), []).append(website_id)
    return [
        messages.check_websites(
            CheckWebsites(region=region, website_ids=ids, slot_ms=slot_s * 1000)
        )
        for (region, slot_s), ids in due.items()
    ]


def _slots_left(website_id: UUID, definition: Definition, soon_s: int) -> list[int]:
    interval_s = definition.check.check_frequency
    if interval_s >= MINUTE_S:
        return []
    end_s = soon_s - soon_s % MINUTE_S + MINUTE_S
    return slots_of_position(ring_position(website_id), interval_s, soon_s + 1, end_s)


async def full_sync(syncer: Syncer, progress: Progress | None = None) -> int:
    """Build the projection anew beside the old one and swap it in; returns how many websites.

    Changes committed meanwhile have rows of their own, which are shown afterwards.
    """
    async with changes.syncing(syncer.pool) as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        regions = await changes.region_names(connection)
        return await _rebuild(syncer, connection, regions, progress=progress)


async def _rebuild(
    syncer: Syncer,
    connection: Connection,
    regions: list[str],
    *,
    renewed: Collection[str] = (),
    progress: Progress | None = None,
) -> int:
    rebuild = Rebuild(syncer.redis, regions)
    run = await server_run(syncer.redis)
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
