"""Reads, plans and writes one chunk of a bulk import."""

from __future__ import annotations

from uuid import UUID

from monitor.domain.errors import Contended
from monitor.resources.audit import Action
from monitor.resources.bulk_import import BulkImport, ProcessedLine, read_line
from monitor.resources.lines import Chunk
from monitor.resources.write_plan import Existing, Line, without_dry_run_ids
from monitor.runtime.event_loop import yield_to_loop
from monitor.services.access import audit
from monitor.services.secrets.vault import Vault
from monitor.services.websites import write as writing
from monitor.storage.postgres import bulk, bulk_dry_run, websites
from monitor.storage.postgres.pool import Connection, atomic


async def read(chunk: Chunk) -> list[Line]:
    """Parse the lines of a chunk, without empty ones."""
    numbered = enumerate(chunk.lines, chunk.first_line)
    lines = [read_line(n, line) async for n, line in yield_to_loop(numbered)]
    return [line for line in lines if line is not None]


async def write(
    connection: Connection,
    vault: Vault,
    before: BulkImport,
    chunk: Chunk,
    lines: list[Line],
    *,
    now_s: float,
) -> BulkImport:
    """Store the websites of a chunk, the outcomes of its lines and the import's progress: all or
    nothing.

    Raises Contended if others keep changing the same websites, and SecretsUnreadable.
    """

    async def attempt() -> BulkImport:
        async with atomic(connection):
            if before.dry_run:
                processed = await _simulate(connection, vault, lines, now_s)
            else:
                processed = await _store(connection, vault, lines, now_s, before.id)
            after = await bulk.add_chunk(connection, before, chunk, processed)
            await _note(connection, before, after)
            return after

    try:
        return await writing.retried(attempt)
    except Contended:
        raise Contended(
            f"Others kept changing websites of the lines {chunk.first_line} to {chunk.last_line} "
            "while these were imported: none of these lines is stored, and all before them are. "
            "Send the import again with its Idempotency-Key to continue it."
        ) from None


async def _store(
    connection: Connection, vault: Vault, lines: list[Line], now_s: float, import_id: UUID
) -> list[ProcessedLine]:
    """Store the plan; imported websites wait for their slot instead of being checked at once."""
    plan, _ = await writing.plan(connection, vault, lines, now_s)
    await websites.store(connection, plan, check_now=False, operation=import_id)
    return plan.lines


async def _simulate(
    connection: Connection, vault: Vault, lines: list[Line], now_s: float
) -> list[ProcessedLine]:
    """The outcomes that the lines would have, given the dry run so far."""

    async def overlay(stored: list[Existing], ids: list[UUID], names: list[str]) -> list[Existing]:
        return await bulk_dry_run.over(connection, stored, ids, names)

    plan, existing = await writing.plan(connection, vault, lines, now_s, overlay=overlay)
    await bulk_dry_run.note(connection, plan, existing)
    return without_dry_run_ids(plan.lines, {e.id: e for e in existing})


async def _note(connection: Connection, before: BulkImport, after: BulkImport) -> None:
    """Write one audit entry per chunk; the import has the outcome of each line."""
    if before.dry_run or after.counts.changed == before.counts.changed:
        return
    await audit.note(
        connection,
        Action.WEBSITES_IMPORTED,
        before.id,
        first_line=before.counts.lines + 1,
        last_line=after.counts.lines,
        created=after.counts.created - before.counts.created,
        updated=after.counts.updated - before.counts.updated,
    )
