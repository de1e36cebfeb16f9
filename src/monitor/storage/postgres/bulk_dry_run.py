"""What a dry run would have stored, in a temporary table of its session.

Later lines see the effects of earlier ones; other sessions see nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from monitor.resources.website import Draft
from monitor.resources.write_plan import Existing, Plan
from monitor.storage.postgres.pool import Connection

_draft = msgspec.msgpack.Decoder(Draft)


async def begin(connection: Connection) -> None:
    """Create the table."""
    await connection.execute(
        """
        CREATE TEMPORARY TABLE bulk_dry_run (
            id uuid PRIMARY KEY, external_id text, draft bytea NOT NULL,
            dry_run_only boolean NOT NULL
        )
        """
    )
    await connection.execute("CREATE INDEX ON bulk_dry_run (external_id)")


async def end(connection: Connection) -> None:
    """Drop the table if it exists."""
    await connection.execute("DROP TABLE IF EXISTS pg_temp.bulk_dry_run")


async def over(
    connection: Connection, stored: Sequence[Existing], ids: Sequence[UUID], names: Sequence[str]
) -> list[Existing]:
    """The stored websites with the changes of the dry run, and those it created.

    ``ids`` and ``names`` (external ids) select the latter.
    """
    existing = {e.id: e for e in stored}
    cursor = await connection.execute(
        "SELECT id, draft, dry_run_only FROM bulk_dry_run"
        " WHERE id = ANY(%s) OR external_id = ANY(%s)",
        [[*ids, *existing], names],
        prepare=False,
    )
    for website_id, draft, dry_run_only in await cursor.fetchall():
        existing[website_id] = Existing(website_id, _draft.decode(draft), dry_run_only=dry_run_only)
    return list(existing.values())


async def note(connection: Connection, plan: Plan, existing: Sequence[Existing]) -> None:
    """Record what the plan would store."""
    dry_run_only = {e.id for e in existing if e.dry_run_only}
    rows = [(n.id, n.stored or n.draft, True) for n in plan.new]
    rows += [(c.id, c.stored or c.new, c.id in dry_run_only) for c in plan.changed]
    await connection.execute(
        """
        INSERT INTO bulk_dry_run (id, external_id, draft, dry_run_only)
        SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::bool[])
            ON CONFLICT (id) DO UPDATE
           SET external_id = excluded.external_id, draft = excluded.draft
        """,
        [
            [r[0] for r in rows],
            [r[1].external_id for r in rows],
            [msgspec.msgpack.encode(r[1]) for r in rows],
            [r[2] for r in rows],
        ],
    )
