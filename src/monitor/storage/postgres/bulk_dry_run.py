"""What a dry run would have stored: in a table that lives and dies with the session, so that
later lines see what earlier ones would have done and nobody else sees anything."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from monitor.resources.bulk_plan import Known, Plan
from monitor.resources.validation import Draft
from monitor.storage.postgres.pool import Connection

_draft = msgspec.msgpack.Decoder(Draft)


async def begin(connection: Connection) -> None:
    """Make the table."""
    await connection.execute(
        """
        CREATE TEMPORARY TABLE bulk_dry_run (
            id uuid PRIMARY KEY, external_id text, draft bytea NOT NULL, imagined boolean NOT NULL
        )
        """
    )
    await connection.execute("CREATE INDEX ON bulk_dry_run (external_id)")


async def end(connection: Connection) -> None:
    """Drop the table, where there is one."""
    await connection.execute("DROP TABLE IF EXISTS pg_temp.bulk_dry_run")


async def over(
    connection: Connection, found: Sequence[Known], ids: Sequence[UUID], names: Sequence[str]
) -> list[Known]:
    """These websites as the dry run has made them, and those it made up, by id or external_id."""
    known = {k.id: k for k in found}
    cursor = await connection.execute(
        "SELECT id, draft, imagined FROM bulk_dry_run WHERE id = ANY(%s) OR external_id = ANY(%s)",
        [[*ids, *known], names],
        prepare=False,
    )
    for website_id, draft, imagined in await cursor.fetchall():
        known[website_id] = Known(website_id, _draft.decode(draft), imagined=imagined)
    return list(known.values())


async def note(connection: Connection, plan: Plan, known: Sequence[Known]) -> None:
    """Keep what the plan would store."""
    imagined = {k.id for k in known if k.imagined}
    rows = [(m.id, m.draft, True) for m in plan.made]
    rows += [(c.id, c.new, c.id in imagined) for c in plan.changed]
    await connection.execute(
        """
        INSERT INTO bulk_dry_run (id, external_id, draft, imagined)
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
