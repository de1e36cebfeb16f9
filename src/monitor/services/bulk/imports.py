"""A bulk import: a stream of lines, stored a chunk at a time, so that it can be sent again after
any interruption and nothing is lost or done twice (docs/adr/0009)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from psycopg.pq import TransactionStatus

from monitor.domain.errors import BodyStalled, Conflict, InvalidInput
from monitor.domain.ids import uuid7
from monitor.resources.bulk_import import BulkImport, ImportState, KeyReused, key_ok
from monitor.resources.lines import Chunk, Chunker
from monitor.runtime.event_loop import Slots, yield_to_loop
from monitor.runtime.logging import get_logger
from monitor.services.bulk import chunks as bulk_chunks
from monitor.services.bulk.throttle import Nudge, Nudges
from monitor.services.secrets.vault import Vault
from monitor.storage.postgres import bulk, bulk_dry_run
from monitor.storage.postgres.pool import Connection, Pool, session

log = get_logger(__name__)

AT_ONCE = 3
"""Imports under way in one process: each holds a database connection."""

STALL_S = 60.0
"""A caller that sends nothing for so long is not waited for any longer."""

KEEP_DAYS = 7


@dataclass(frozen=True, slots=True)
class Importer:
    """What imports need. ``now`` gives Unix seconds, ``nudge`` tells the sync of changes."""

    pool: Pool
    now: Callable[[], float]
    nudge: Nudge
    slots: Slots
    vault: Vault
    stall_s: float = STALL_S


async def run(
    importer: Importer, blocks: AsyncIterator[bytes], *, key: str | None, dry_run: bool
) -> BulkImport:
    """Import the lines in these blocks of bytes; returns the finished import.

    With a ``key`` that was used before it goes on where that import stopped, or gives its result.
    Raises InvalidInput for a bad key, KeyReused where the lines are not those of the first time,
    Conflict where it is under way, Busy where too many others are, BodyStalled. What ``blocks``
    raises ends it, too; then all but the last one or two chunks that came are stored.
    """
    if key is not None and not key_ok(key):
        raise InvalidInput.of(
            "Idempotency-Key", "must be 1 to 255 printable ASCII characters, no space at the ends"
        )
    with importer.slots.one():
        async with session(importer.pool) as connection, _held(connection):
            begun = await _begin(connection, importer.now(), key, dry_run=dry_run)
            return await _import(importer, connection, begun, blocks)


async def _begin(
    connection: Connection, now_s: float, key: str | None, *, dry_run: bool
) -> BulkImport:
    """Take the import with this key, or a new one, for this session."""
    async with connection.transaction():
        new_id = uuid7(int(now_s * 1000), os.urandom(10))
        import_id = await bulk.insert(connection, new_id, key, dry_run=dry_run)
        if not await bulk.try_lock(connection, import_id):
            raise Conflict("import_running", "The import with this Idempotency-Key is under way.")
        # In a statement of its own: it sees what the one who had the lock before has done.
        stored = await bulk.fetch(connection, import_id)
        assert stored is not None
        if stored.dry_run != dry_run:
            raise KeyReused("This Idempotency-Key was used with another dry_run.")
    if dry_run and stored.state is not ImportState.FINISHED:
        return await _begin_dry_run(connection, stored)
    return stored


async def _begin_dry_run(connection: Connection, stored: BulkImport) -> BulkImport:
    """From the first line: what an earlier attempt imagined is gone."""
    async with connection.transaction():
        await bulk.start_again(connection, stored.id)
        await bulk_dry_run.begin(connection)
        again = await bulk.fetch(connection, stored.id)
    assert again is not None
    return again


@asynccontextmanager
async def _held(connection: Connection) -> AsyncIterator[None]:
    """What the session took it gives back, or it ends: either way others can go on."""
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
    importer: Importer, connection: Connection, begun: BulkImport, blocks: AsyncIterator[bytes]
) -> BulkImport:
    async with connection.transaction():
        stored = await bulk.digests(connection, begun.id)
    work = _Work(importer, connection, begun, stored)
    log.info("import.begun", import_id=str(begun.id), chunks_stored=len(stored))
    try:
        await work.take_all(_unless_stalled(blocks, importer.stall_s))
        finished = await work.finish()
    except BaseException as error:
        await work.stop()
        log.info("import.ended_early", import_id=str(begun.id), error=type(error).__name__)
        raise
    finally:
        if work.nudges_needed:
            await work.nudges.last()
    log.info("import.finished", import_id=str(begun.id), lines=finished.counts.lines)
    return finished


async def _unless_stalled(blocks: AsyncIterator[bytes], stall_s: float) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(stall_s):
                block = await anext(blocks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise BodyStalled(f"Nothing of the body came for {stall_s:g} s.") from None
        yield block


@dataclass(slots=True)
class _Work:
    """An import under way. While a chunk is written the next one is read, and no more."""

    importer: Importer
    connection: Connection
    now: BulkImport
    stored: list[bytes]
    nudges: Nudges = field(init=False)
    nudges_needed: bool = False
    _passed: int = 0
    _writing: asyncio.Task[BulkImport] | None = None

    def __post_init__(self) -> None:
        self.nudges = Nudges(self.importer.nudge)

    async def take_all(self, blocks: AsyncIterator[bytes]) -> None:
        """All chunks of the stream."""
        chunker = Chunker()
        async for block in blocks:
            async for chunk in yield_to_loop(chunker.feed(block)):
                await self._take(chunk)
        for chunk in chunker.end():
            await self._take(chunk)
        await self._written()

    async def _take(self, chunk: Chunk) -> None:
        if self._passed < len(self.stored) or self.now.finished_at is not None:
            self._pass(chunk)
            return
        lines = await bulk_chunks.read(chunk)
        await self._written()
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

    def _pass(self, chunk: Chunk) -> None:
        """Leave out a chunk that is stored, if it is the same."""
        if self._passed >= len(self.stored) or self.stored[self._passed] != chunk.digest:
            raise _another_body()
        self._passed += 1

    async def _written(self) -> None:
        """Wait until the chunk before is stored."""
        if self._writing is not None:
            task, self._writing = self._writing, None
            before, self.now = self.now, await task
            if not self.now.dry_run and self.now.counts.changed > before.counts.changed:
                self.nudges_needed = True
                self.nudges.ask()

    async def finish(self) -> BulkImport:
        """Say that all is stored."""
        if self._passed < len(self.stored):
            raise _another_body()
        async with self.connection.transaction():
            if self.now.finished_at is None:
                await bulk.finish(self.connection, self.now.id)
            finished = await bulk.fetch(self.connection, self.now.id)
        assert finished is not None
        return finished

    async def stop(self) -> None:
        """Have the chunk that is being written stored, if it still can be."""
        with suppress(Exception):
            await self._written()


def _another_body() -> KeyReused:
    return KeyReused(
        "The lines are not those that came with this Idempotency-Key before; use another key."
    )
