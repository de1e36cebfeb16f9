"""Runs a bulk import: a stream of lines, stored chunk by chunk.

It can be sent again after any interruption, and nothing is lost or done twice (docs/adr/0009).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from psycopg.pq import TransactionStatus

from monitor.domain.errors import BodyStalled, Conflict, InvalidInput
from monitor.domain.ids import uuid7
from monitor.domain.pace import Pace, TransferRate
from monitor.resources.audit import Action
from monitor.resources.bulk_import import BulkImport, ImportState, KeyReused, key_ok
from monitor.resources.encodings import Utf8Stream
from monitor.resources.lines import Chunk, Chunker
from monitor.runtime.event_loop import yield_to_loop
from monitor.runtime.logging import get_logger
from monitor.services.access import audit
from monitor.services.bulk import chunks as bulk_chunks
from monitor.services.bulk.places import GaveWay, Place, Places
from monitor.services.bulk.throttle import Notify, ThrottledNotify
from monitor.services.secrets.vault import Vault
from monitor.storage.postgres import bulk, bulk_dry_run
from monitor.storage.postgres.pool import Connection, Pool, session

log = get_logger(__name__)

MAX_CONCURRENT_IMPORTS = 3
"""Per process, if that is no more than half of the pool: each import holds a connection."""

STALL_S = 60.0
"""A client that sends nothing for this long is cut off."""

RATE = TransferRate()
"""So is one that sends less."""

KEEP_DAYS = 7


@dataclass(frozen=True, slots=True)
class Importer:
    """Dependencies of imports. ``now`` returns Unix seconds, ``notify`` triggers the sync."""

    pool: Pool
    now: Callable[[], float]
    notify: Notify
    places: Places
    vault: Vault
    stall_s: float = STALL_S
    rate: TransferRate = RATE


def places_of(pool: Pool) -> Places:
    """The places of the imports that share this pool."""
    return Places("imports", max(min(MAX_CONCURRENT_IMPORTS, pool.max_size // 2), 1))


async def run(
    importer: Importer, blocks: AsyncIterator[bytes], *, key: str | None, dry_run: bool
) -> BulkImport:
    """Import the lines in these blocks of bytes; returns the finished import.

    With a ``key`` that was used before, continues where that import stopped, or returns its
    result. Raises InvalidInput for an invalid key, KeyReused if the lines differ from the first
    time, Conflict if the import is already running, Busy if too many others are, GaveWay if others
    of the same key are and another key waits, BodyStalled, and Contended.
    An error of ``blocks`` ends the import, too; all but the last one or two chunks received are
    stored by then.
    """
    if key is not None and not key_ok(key):
        raise InvalidInput.of(
            "Idempotency-Key", "must be 1 to 255 printable ASCII characters, no space at the ends"
        )
    async with (
        importer.places.place(audit.holder()) as place,
        session(importer.pool) as connection,
        _session_locks(connection),
    ):
        current = await _begin(connection, importer.now(), key, dry_run=dry_run)
        arriving = _Arrival(importer, place).watched(blocks)
        return await _import(importer, connection, current, arriving)


async def _begin(
    connection: Connection, now_s: float, key: str | None, *, dry_run: bool
) -> BulkImport:
    """Lock the import with this key, or a new one, for this session."""
    async with connection.transaction():
        new_id = uuid7(int(now_s * 1000), os.urandom(10))
        import_id = await bulk.insert(connection, new_id, key, dry_run=dry_run)
        if not await bulk.try_lock(connection, import_id):
            raise Conflict(
                "import_running", "The import with this Idempotency-Key is already running."
            )
        # A separate statement, so that it sees what the previous holder of the lock committed.
        stored = await bulk.fetch(connection, import_id)
        assert stored is not None
        if stored.dry_run != dry_run:
            raise KeyReused("This Idempotency-Key was used with another dry_run.")
    if dry_run and stored.state is not ImportState.FINISHED:
        return await _begin_dry_run(connection, stored)
    return stored


async def _begin_dry_run(connection: Connection, stored: BulkImport) -> BulkImport:
    """Begin at the first line; the state of an earlier attempt is gone.

    Its audit entry is written now: whoever breaks the run off has learned something, too.
    """
    async with connection.transaction():
        await bulk.start_again(connection, stored.id)
        await bulk_dry_run.begin(connection)
        await audit.note(connection, Action.WEBSITES_DRY_RUN, stored.id)
        restarted = await bulk.fetch(connection, stored.id)
    assert restarted is not None
    return restarted


@asynccontextmanager
async def _session_locks(connection: Connection) -> AsyncIterator[None]:
    """Release what the session locked, or else close it, so that others can continue."""
    try:
        yield
    finally:
        if connection.info.transaction_status is TransactionStatus.IDLE:
            async with connection.transaction():
                await bulk_dry_run.end(connection)
                await bulk.unlock(connection)
        else:
            await connection.close()


async def _import(
    importer: Importer, connection: Connection, current: BulkImport, blocks: AsyncIterator[bytes]
) -> BulkImport:
    async with connection.transaction():
        stored = await bulk.digests(connection, current.id)
    work = _Work(importer, connection, current, stored)
    log.info("import.begun", import_id=str(current.id), chunks_stored=len(stored))
    try:
        await work.process(_utf8(blocks))
        finished = await work.finish()
    except BaseException as error:
        await work.stop()
        log.info("import.ended_early", import_id=str(current.id), error=type(error).__name__)
        raise
    finally:
        if work.has_changes:
            await work.throttled.flush()
    log.info("import.finished", import_id=str(current.id), lines=finished.counts.lines)
    return finished


class _Arrival:
    """Watches how a body arrives."""

    def __init__(self, importer: Importer, place: Place) -> None:
        self._stall_s, self._rate = importer.stall_s, importer.rate
        self._pace, self._place = Pace(importer.rate), place

    async def watched(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same blocks. Raises BodyStalled, and GaveWay."""
        while True:
            began_s = time.monotonic()
            self._pace.begin(began_s)
            patience_s = min(self._stall_s, self._pace.patience_s(began_s))
            try:
                async with self._place.patience(patience_s):
                    block = await anext(blocks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise self._ended() from None
            self._pace.end(time.monotonic(), len(block))
            yield block

    def _ended(self) -> GaveWay | BodyStalled:
        if self._place.revoked:
            return GaveWay(
                "Another API key waits for a place, and yours has several imports running: this "
                "one gave way. Send it again with its Idempotency-Key to continue it."
            )
        if self._pace.is_too_slow(time.monotonic()):
            return BodyStalled(
                f"Less than {self._rate} of the body arrived. Send it again with its "
                "Idempotency-Key to continue."
            )
        return BodyStalled(f"No data of the body arrived for {self._stall_s:g} s.")


async def _utf8(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    text = Utf8Stream()
    async for block in blocks:
        yield text.feed(block)
    yield text.end()


@dataclass(slots=True)
class _Work:
    """A running import. While a chunk is written, at most one more is read."""

    importer: Importer
    connection: Connection
    now: BulkImport
    stored: list[bytes]
    throttled: ThrottledNotify = field(init=False)
    has_changes: bool = False
    _skipped: int = 0
    _writing: asyncio.Task[BulkImport] | None = None

    def __post_init__(self) -> None:
        self.throttled = ThrottledNotify(self.importer.notify)

    async def process(self, blocks: AsyncIterator[bytes]) -> None:
        """Process all chunks of the stream."""
        chunker = Chunker()
        async for block in blocks:
            if self._writing is not None and self._writing.done():
                await self._finish_write()  # it may have failed: the client need not send more
            async for chunk in yield_to_loop(chunker.feed(block)):
                await self._process(chunk)
        for chunk in chunker.end():
            await self._process(chunk)
        await self._finish_write()

    async def _process(self, chunk: Chunk) -> None:
        if self._skipped < len(self.stored) or self.now.finished_at is not None:
            self._skip(chunk)
            return
        lines = await bulk_chunks.read(chunk)
        await self._finish_write()
        self._writing = asyncio.create_task(
            bulk_chunks.write(
                self.connection,
                self.importer.vault,
                self.now,
                chunk,
                lines,
                now_s=self.importer.now(),
            )
        )

    def _skip(self, chunk: Chunk) -> None:
        """Skip a chunk that is already stored. Raises KeyReused if it differs."""
        if self._skipped >= len(self.stored) or self.stored[self._skipped] != chunk.digest:
            raise _different_lines()
        self._skipped += 1

    async def _finish_write(self) -> None:
        """Wait until the previous chunk is stored."""
        if self._writing is not None:
            task, self._writing = self._writing, None
            before, self.now = self.now, await task
            if not self.now.dry_run and self.now.counts.changed > before.counts.changed:
                self.has_changes = True
                self.throttled.request()

    async def finish(self) -> BulkImport:
        """Mark the import as finished."""
        if self._skipped < len(self.stored):
            raise _different_lines()
        async with self.connection.transaction():
            if self.now.finished_at is None:
                await bulk.finish(self.connection, self.now.id)
            finished = await bulk.fetch(self.connection, self.now.id)
        assert finished is not None
        return finished

    async def stop(self) -> None:
        """Wait until the chunk being written is stored, or has failed."""
        with suppress(Exception):
            await self._finish_write()


def _different_lines() -> KeyReused:
    return KeyReused(
        "The lines differ from those sent with this Idempotency-Key before; use another key."
    )
