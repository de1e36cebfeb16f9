"""Change rows: committed with a change, deleted once Redis shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import LiteralString
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from psycopg.rows import TupleRow

from monitor.resources.check_options import OPTION_FIELDS
from monitor.resources.website import Definition
from monitor.storage.postgres.pool import Connection, Pool, transaction
from monitor.storage.postgres.website_rows import CHECK_JSON, decode_check, decode_tokens

_SYNC_LOCK = 0x73796E63  # "sync": one process at a time writes the projection
_PAGE = 2000


class Change(Struct, frozen=True):
    """A website that changed, or None: everything may have. ``check_now``: do not wait.

    ``forget``: verdicts about the website were deleted, so regions start anew with it.
    ``forget_region``: this region is new, whatever one of its name held before.
    """

    website_id: UUID | None
    check_now: bool
    forget: bool
    forget_region: str | None


@asynccontextmanager
async def syncing(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction that no other sync runs beside.

    A full sync of a million websites takes longer than anybody may wait for any other lock.
    """
    async with transaction(pool) as connection:
        await connection.execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SYNC_LOCK])
        await connection.execute(
            "SET LOCAL lock_timeout TO DEFAULT; SET LOCAL statement_timeout TO DEFAULT"
        )
        yield connection


async def take(connection: Connection, limit: int) -> list[Change]:
    """Delete the oldest change rows and return them; they come back if the transaction fails.

    Rows of transactions that commit later are found by the next call, whatever their number.
    """
    cursor = await connection.execute(
        """
        DELETE FROM changes WHERE seq IN (SELECT seq FROM changes ORDER BY seq LIMIT %s)
        RETURNING website_id, check_now, forget, forget_region
        """,
        [limit],
    )
    return [Change(*row) for row in await cursor.fetchall()]


async def region_names(connection: Connection) -> list[str]:
    cursor = await connection.execute("SELECT name FROM regions ORDER BY name")
    return [name for (name,) in await cursor.fetchall()]


_DEFINITION: LiteralString = f"""
    SELECT w.id, {CHECK_JSON}, w.encrypted::text,
           CASE WHEN w.all_regions THEN NULL
                ELSE ARRAY(SELECT region FROM website_regions r WHERE r.website_id = w.id
                           ORDER BY region) END
      FROM websites w
     WHERE w.paused_at IS NULL
"""  # noqa: S608 - constants


async def definitions(connection: Connection, website_ids: list[UUID]) -> dict[UUID, Definition]:
    """What is to be checked of these websites; paused and deleted ones are absent."""
    cursor = await connection.execute(_DEFINITION.encode() + b" AND w.id = ANY(%s)", [website_ids])
    return dict(_definition(row) for row in await cursor.fetchall())


async def all_definitions(
    connection: Connection,
) -> AsyncIterator[list[tuple[UUID, Definition]]]:
    """Every website that is to be checked, in pages of 2,000, as of one instant."""
    async with connection.cursor("definitions") as cursor:
        await cursor.execute(_DEFINITION.encode(), binary=True)
        while rows := await cursor.fetchmany(_PAGE):
            yield [_definition(row) for row in rows]


async def count_websites(connection: Connection) -> int:
    cursor = await connection.execute("SELECT count(*) FROM websites WHERE paused_at IS NULL")
    row = await cursor.fetchone()
    return row[0] if row else 0


def _definition(row: TupleRow) -> tuple[UUID, Definition]:
    website_id, text, tokens, regions = row
    check, encrypted = decode_check(text), decode_tokens(tokens) or None
    if encrypted:
        # What may be shown of encrypted options is of no use to a check.
        hidden = {n: OPTION_FIELDS[n].initial() for n in encrypted if n in OPTION_FIELDS}
        check = replace(check, **hidden)
    return website_id, Definition(check, None if regions is None else tuple(regions), encrypted)
