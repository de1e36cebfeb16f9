"""Reads bulk imports: one, a page of them, and the outcomes of their lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from monitor.domain.errors import NotFound
from monitor.resources import cursors
from monitor.resources.bulk_import import BulkImport, LineResult, ProcessedLine
from monitor.services.bulk.imports import KEEP_DAYS
from monitor.storage.postgres import bulk
from monitor.storage.postgres.pool import Pool, transaction


async def get(pool: Pool, import_id: UUID) -> BulkImport:
    """The state of one import. Raises NotFound."""
    async with transaction(pool) as connection:
        stored = await bulk.fetch(connection, import_id)
    if stored is None:
        raise NotFound("import_not_found", "There is no import with this id.")
    return stored


async def page(
    pool: Pool, key: str | None, limit: int, cursor: str | None
) -> tuple[list[BulkImport], str | None]:
    """The next page of imports, newest first, and the cursor after it. Raises BadQuery."""
    mark = cursors.fingerprint("imports", key)
    before = cursors.decode_id(cursor, mark)
    async with transaction(pool) as connection:
        rows = await bulk.fetch_page(connection, key, before, limit + 1)
    more = len(rows) > limit
    return rows[:limit], cursors.encode(rows[limit - 1].id.bytes, mark) if more else None


async def outcomes(
    pool: Pool, import_id: UUID, only: LineResult | None
) -> AsyncIterator[list[ProcessedLine]]:
    """The outcomes of the lines stored so far, in order, chunk by chunk.

    No connection is held between chunks.
    """
    number = 0
    while True:
        async with transaction(pool) as connection:
            rows = await bulk.next_outcomes(
                connection, import_id, number, failed_only=only is LineResult.FAILED
            )
        if rows is None:
            return
        number, chunk = rows
        yield [o for o in chunk if only in (None, o.result)]


async def expire(pool: Pool) -> int:
    """Delete old imports and their keys; returns how many."""
    async with transaction(pool) as connection:
        return await bulk.expire(connection, KEEP_DAYS)
