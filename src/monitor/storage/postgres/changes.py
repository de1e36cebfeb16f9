"""Change rows: committed with each change, deleted once it is synced to Redis."""

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
    """A website that changed; None: any may have. ``check_now``: do not wait for its slot.

    ``forget``: the website's verdicts were deleted, so regions must discard its state.
    ``forget_region``: this region is new; discard the state of an earlier one of the same name.
    """

    website_id: UUID | None
    check_now: bool
    forget: bool
    forget_region: str | None


@asynccontextmanager
async def syncing(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction that excludes other syncs.

    It waits for its lock without a timeout, because a full sync of a million websites takes longer
    than the usual one.
    """
    async with transaction(pool) as connection:
        await connection.execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_SYNC_LOCK])
        await connection.execute(
            "SET LOCAL lock_timeout TO DEFAULT; SET LOCAL statement_timeout TO DEFAULT"
        )
        yield connection


async def take(connection: Connection, limit: int) -> list[Change]:
    """Delete and return the oldest change rows; they reappear if the transaction fails.

    The next call finds rows of transactions that commit later, whatever their sequence number.
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
    """The definitions of these websites; paused and deleted ones are absent."""
    cursor = await connection.execute(_DEFINITION.encode() + b" AND w.id = ANY(%s)", [website_ids])
    return dict(_definition(row) for row in await cursor.fetchall())


async def all_definitions(
    connection: Connection,
) -> AsyncIterator[list[tuple[UUID, Definition]]]:
    """The definitions of all active websites as of one instant, in pages of 2,000."""
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
        # Masked options are useless to a check.
        hidden = {n: OPTION_FIELDS[n].initial() for n in encrypted if n in OPTION_FIELDS}
        check = replace(check, **hidden)
    return website_id, Definition(check, None if regions is None else tuple(regions), encrypted)
