"""The tables of bulk imports: their progress, and the outcomes of their lines by chunk."""

from __future__ import annotations

from uuid import UUID

import msgspec
from psycopg.rows import TupleRow

from monitor.resources.bulk_import import (
    MAX_FAILURES,
    BulkImport,
    Counts,
    ImportState,
    LineResult,
    ProcessedLine,
)
from monitor.resources.lines import Chunk
from monitor.storage.postgres.pool import Connection

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(list[ProcessedLine])

_LOCKS = 0x62756C6B
"""Class of the advisory locks of imports ("bulk"); the session of a running one holds its lock."""

_LOCK = "('x' || right(id::text, 8))::bit(32)"

_SELECT = f"""
    SELECT id, dry_run, idempotency_key, chunks, lines, created, updated, unchanged, failed,
           failures, created_at, finished_at,
           EXISTS (SELECT 1 FROM pg_locks l
                    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
                      AND l.classid = {_LOCKS} AND l.objid = {_LOCK}::bigint::oid
                      AND l.database = (SELECT d.oid FROM pg_database d
                                         WHERE d.datname = current_database())) AS running
      FROM bulk_imports
"""  # noqa: S608 - constants of this module


async def insert(
    connection: Connection, import_id: UUID, key: str | None, *, dry_run: bool
) -> UUID:
    """Store a new import; returns its id, or that of the existing import with this key.

    An unfinished import gets a new ``moved_at``, so that it does not expire while it continues.
    """
    cursor = await connection.execute(
        """
        INSERT INTO bulk_imports AS i (id, idempotency_key, dry_run) VALUES (%s, %s, %s)
        ON CONFLICT (idempotency_key) DO UPDATE
           SET moved_at = CASE WHEN i.finished_at IS NULL THEN now() ELSE i.moved_at END
        RETURNING i.id
        """,
        [import_id, key, dry_run],
    )
    row = await cursor.fetchone()
    assert row is not None
    stored: UUID = row[0]
    return stored


async def try_lock(connection: Connection, import_id: UUID) -> bool:
    """Lock the import until ``unlock`` or the session's end; False if another session has it."""
    query = f"SELECT pg_try_advisory_lock({_LOCKS}, {_LOCK}::int) FROM (SELECT %s::uuid AS id) x"  # noqa: S608 - constants
    cursor = await connection.execute(query.encode(), [import_id])
    row = await cursor.fetchone()
    return bool(row and row[0])


async def unlock(connection: Connection) -> None:
    """Release the lock of this session."""
    await connection.execute("SELECT pg_advisory_unlock_all()")


async def fetch(connection: Connection, import_id: UUID) -> BulkImport | None:
    """One import, or None."""
    cursor = await connection.execute(_SELECT.encode() + b" WHERE id = %s", [import_id])
    row = await cursor.fetchone()
    return None if row is None else _import(row)


async def fetch_page(
    connection: Connection, key: str | None, before: UUID | None, size: int
) -> list[BulkImport]:
    """The next imports, newest first; with ``key``, only the import with this key."""
    query = _SELECT.encode() + (
        b" WHERE (%(key)s::text IS NULL OR idempotency_key = %(key)s)"
        b" AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(size)s"
    )
    cursor = await connection.execute(query, {"key": key, "before": before, "size": size})
    return [_import(row) for row in await cursor.fetchall()]


def _import(row: TupleRow) -> BulkImport:
    finished_at, running = row[11], row[12]
    state = ImportState.RUNNING if running else ImportState.INTERRUPTED
    return BulkImport(
        id=row[0],
        state=ImportState.FINISHED if finished_at is not None else state,
        dry_run=row[1],
        idempotency_key=row[2],
        chunks=row[3],
        counts=Counts(*row[4:9]),
        failures=_decoder.decode(row[9]),
        created_at=row[10],
        finished_at=finished_at,
    )


async def digests(connection: Connection, import_id: UUID) -> list[bytes]:
    """The digests of the stored chunks, in order."""
    cursor = await connection.execute(
        "SELECT digest FROM bulk_import_chunks WHERE import_id = %s ORDER BY number", [import_id]
    )
    return [digest for (digest,) in await cursor.fetchall()]


async def add_chunk(
    connection: Connection, before: BulkImport, chunk: Chunk, outcomes: list[ProcessedLine]
) -> BulkImport:
    """Store the outcomes of the next chunk; returns the updated import.

    Call it in the transaction that writes the websites of the chunk.
    """
    failed = [o for o in outcomes if o.result is LineResult.FAILED]
    counts = before.counts.plus(len(chunk.lines), outcomes)
    failures = [*before.failures, *failed][:MAX_FAILURES]
    after = msgspec.structs.replace(
        before, chunks=before.chunks + 1, counts=counts, failures=failures
    )
    await connection.execute(
        """
        INSERT INTO bulk_import_chunks (import_id, number, digest, failed, outcomes)
        VALUES (%s, %s, %s, %s, %b)
        """,
        [before.id, after.chunks, chunk.digest, len(failed), _encoder.encode(outcomes)],
    )
    await _count(connection, after, failures_differ=len(failures) > len(before.failures))
    return after


async def _count(connection: Connection, now: BulkImport, *, failures_differ: bool) -> None:
    await connection.execute(
        """
        UPDATE bulk_imports SET chunks = %s, lines = %s, created = %s, updated = %s,
               unchanged = %s, failed = %s, failures = coalesce(%b, failures), moved_at = now()
         WHERE id = %s
        """,
        [
            now.chunks,
            *msgspec.structs.astuple(now.counts),
            _encoder.encode(now.failures) if failures_differ else None,
            now.id,
        ],
    )


async def start_again(connection: Connection, import_id: UUID) -> None:
    """Delete the chunks of an import that restarts at its first line."""
    await connection.execute("DELETE FROM bulk_import_chunks WHERE import_id = %s", [import_id])
    await connection.execute(
        """
        UPDATE bulk_imports SET chunks = 0, lines = 0, created = 0, updated = 0, unchanged = 0,
               failed = 0, failures = %b
         WHERE id = %s
        """,
        [_encoder.encode([]), import_id],
    )


async def finish(connection: Connection, import_id: UUID) -> None:
    """Mark an import as finished."""
    await connection.execute(
        "UPDATE bulk_imports SET finished_at = now(), moved_at = now() WHERE id = %s", [import_id]
    )


async def next_outcomes(
    connection: Connection, import_id: UUID, after_chunk: int, *, failed_only: bool
) -> tuple[int, list[ProcessedLine]] | None:
    """The number and the outcomes of the next chunk; None at the end.

    ``failed_only``: skip chunks without a failed line.
    """
    cursor = await connection.execute(
        """
        SELECT number, outcomes FROM bulk_import_chunks
         WHERE import_id = %s AND number > %s AND failed >= %s ORDER BY number LIMIT 1
        """,
        [import_id, after_chunk, int(failed_only)],
    )
    row = await cursor.fetchone()
    return None if row is None else (row[0], _decoder.decode(row[1]))


async def expire(connection: Connection, keep_days: int) -> int:
    """Delete imports without progress for ``keep_days`` days; returns how many."""
    cursor = await connection.execute(
        "DELETE FROM bulk_imports WHERE moved_at < now() - make_interval(days => %s)", [keep_days]
    )
    return cursor.rowcount
