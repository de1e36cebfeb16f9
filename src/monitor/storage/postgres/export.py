"""All websites that match, as of one instant, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from psycopg import sql

from monitor.resources.bulk_plan import Known
from monitor.storage.postgres.bulk_websites import DRAFT_COLUMNS, known_of
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.websites import Filter, conditions

_PAGE = 250

_SELECT = sql.SQL("SELECT {} FROM websites w").format(sql.SQL(DRAFT_COLUMNS))


async def pages(connection: Connection, wanted: Filter) -> AsyncGenerator[list[Known]]:
    """Websites in order of creation, in pages of 250.

    The server puts the result aside first and ends the transaction (WITH HOLD): a caller that
    takes its time holds no snapshot, and so keeps nothing from being cleaned up.
    """
    found = conditions(wanted)
    where = sql.SQL(" WHERE ") + sql.SQL(" AND ").join(found) if found else sql.SQL("")
    query = _SELECT + where + sql.SQL(" ORDER BY w.id")
    async with connection.cursor("export", withhold=True) as cursor:
        async with connection.transaction():
            # Putting aside is done by the commit.
            await connection.execute("SET LOCAL statement_timeout = '5min'")
            await cursor.execute(query, {"region": wanted.region, "q": wanted.q})
        while True:
            async with connection.transaction():
                rows = await cursor.fetchmany(_PAGE)
            if not rows:
                return
            yield [known_of(row) for row in rows]
