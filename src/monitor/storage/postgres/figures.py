"""What is computed once an hour for lists: figures to sort by, and the response times of a day."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from monitor.storage.postgres.pool import Connection


async def as_of(connection: Connection) -> int | None:
    """The end of the last hour that is in the figures, in Unix seconds; None before the first."""
    cursor = await connection.execute("SELECT until FROM figures_as_of")
    row = await cursor.fetchone()
    return None if row is None else int(row[0].timestamp())


async def note_as_of(connection: Connection, until_s: int) -> None:
    """Note that the hour that ends then is in the figures."""
    await connection.execute(
        "INSERT INTO figures_as_of (until) VALUES (to_timestamp(%s))"
        " ON CONFLICT (id) DO UPDATE SET until = excluded.until",
        [until_s],
    )


async def p95s(connection: Connection, website_ids: Sequence[UUID]) -> dict[UUID, float]:
    """The p95 of these websites in milliseconds, where it is known."""
    cursor = await connection.execute(
        "SELECT website_id, p95_24h_ms FROM website_figures"
        " WHERE website_id = ANY(%s) AND p95_24h_ms >= 0",
        [list(website_ids)],
    )
    return dict(await cursor.fetchall())
