"""One chunk of a bulk import: its lines read, planned on top of what is stored, and written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import UUID

from msgspec.structs import replace

from monitor.domain.errors import Unavailable
from monitor.domain.ids import uuid7
from monitor.resources.audit import Action
from monitor.resources.bulk_import import BulkImport, Candidate, Outcome, read_line
from monitor.resources.bulk_plan import Known, Plan, Planner, imagined, keys_of, regions_of
from monitor.resources.lines import Chunk
from monitor.runtime.event_loop import yield_to_loop
from monitor.services.access import audit
from monitor.services.secrets.vault import Vault
from monitor.storage.postgres import bulk, bulk_dry_run, bulk_websites
from monitor.storage.postgres.bulk_websites import Raced
from monitor.storage.postgres.pool import Connection

_TRIES = 10

Read = list[Candidate | Outcome]


async def read(chunk: Chunk) -> Read:
    """What the lines say, empty ones left out."""
    numbered = enumerate(chunk.lines, chunk.first_line)
    found = [read_line(n, line) async for n, line in yield_to_loop(numbered)]
    return [line for line in found if line is not None]


async def write(
    connection: Connection,
    vault: Vault,
    before: BulkImport,
    chunk: Chunk,
    lines: Read,
    *,
    now_s: float,
) -> BulkImport:
    """Store the websites of a chunk, what became of its lines, and how far the import is: all or
    nothing. Raises Unavailable where others change the same websites again and again, and
    SecretsUnreadable."""
    for _ in range(_TRIES):
        try:
            async with connection.transaction():
                plan, known = await _planned(connection, vault, before, lines, now_s)
                outcomes = await _store(connection, before, plan, known)
                after = await bulk.add_chunk(connection, before, chunk, outcomes)
                await _note(connection, before, after)
                return after
        except Raced:
            continue
    raise Unavailable("postgres", f"a chunk was changed by others {_TRIES} times")


async def _note(connection: Connection, before: BulkImport, after: BulkImport) -> None:
    """An entry a chunk: what became of each line is with the import."""
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


async def _planned(
    connection: Connection, vault: Vault, of: BulkImport, lines: Read, now_s: float
) -> tuple[Plan, list[Known]]:
    """The plan, sealed, on top of what is known, opened."""
    ids, names = keys_of(lines)
    regions, any_region = await bulk_websites.regions_that_exist(connection, regions_of(lines))
    known = await bulk_websites.known(connection, ids, names)
    if of.dry_run:
        known = await bulk_dry_run.over(connection, known, ids, names)
    known = [replace(k, draft=vault.opened(k.draft)) async for k in yield_to_loop(iter(known))]
    planner = Planner(known, regions, _new_ids(now_s, len(lines)), any_region=any_region)
    outcomes = [planner.take(line) async for line in yield_to_loop(iter(lines))]
    return await _sealed(vault, planner.plan(outcomes)), known


async def _sealed(vault: Vault, plan: Plan) -> Plan:
    made = [replace(m, draft=vault.seal(m.draft)) async for m in yield_to_loop(iter(plan.made))]
    changed = [replace(c, new=vault.seal(c.new)) async for c in yield_to_loop(iter(plan.changed))]
    return Plan(plan.outcomes, made, changed)


async def _store(
    connection: Connection, of: BulkImport, plan: Plan, known: list[Known]
) -> list[Outcome]:
    if not of.dry_run:
        await bulk_websites.store(connection, plan)
        return plan.outcomes
    await bulk_dry_run.note(connection, plan, known)
    return imagined(plan.outcomes, {k.id: k for k in known})


def _new_ids(now_s: float, count: int) -> Iterator[UUID]:
    """Ids in the order of the lines: the 12 bits after the time count them (RFC 9562, 6.2)."""
    now_ms = int(now_s * 1000)
    noise = os.urandom(8 * count)
    for n in range(count):
        yield uuid7(now_ms, (n & 0xFFF).to_bytes(2, "big") + noise[8 * n : 8 * n + 8])
