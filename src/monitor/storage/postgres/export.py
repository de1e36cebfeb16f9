"""Reads all matching websites as of one instant, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from psycopg import sql

from monitor.resources.write_plan import Existing
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.website_rows import DRAFT_COLUMNS, existing_of
from monitor.storage.postgres.websites import Filter, condition_values, conditions

_PAGE = 250

_SELECT = sql.SQL("SELECT {} FROM websites w").format(sql.SQL(DRAFT_COLUMNS))


async def pages(connection: Connection, filters: Filter) -> AsyncGenerator[list[Existing]]:
    """Websites in order of creation, in pages of 250.

    The cursor is WITH HOLD: the server materialises the result and ends the transaction, so a slow
    reader holds no snapshot and does not delay vacuum.
    """
    clauses = conditions(filters)
    where = sql.SQL(" WHERE ") + sql.SQL(" AND ").join(clauses) if clauses else sql.SQL("")
    query = _SELECT + where + sql.SQL(" ORDER BY w.id")
    async with connection.cursor("export", withhold=True) as cursor:
        async with connection.transaction():
            # The commit materialises the result.
            await connection.execute("SET LOCAL statement_timeout = '5min'")
            await cursor.execute(query, condition_values(filters))
        while True:
            async with connection.transaction():
                rows = await cursor.fetchmany(_PAGE)
            if not rows:
                return
            yield [existing_of(row) for row in rows]
