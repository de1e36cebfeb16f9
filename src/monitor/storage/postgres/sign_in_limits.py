"""The table of how many passwords an account, an address or a browser may still try."""

from __future__ import annotations

import datetime as dt

from monitor.domain.people import TryLimit
from monitor.storage.postgres.pool import Connection


async def acquire(connection: Connection, name: bytes, limit: TryLimit) -> dt.timedelta | None:
    """Count one try, unless none is left: then in how long there is one. None: it is counted.

    Tries of several processes at once are counted one after another.
    """
    cursor = await connection.execute(
        """
        INSERT INTO sign_in_limits AS l (name, full_at) VALUES (%(name)s, now() + %(interval)s)
        ON CONFLICT (name) DO UPDATE SET full_at = greatest(l.full_at, now()) + %(interval)s
         WHERE greatest(l.full_at, now()) + %(interval)s <= now() + %(period)s
        RETURNING full_at
        """,
        {"name": name, "interval": limit.interval, "period": limit.period},
    )
    if await cursor.fetchone() is not None:
        return None
    cursor = await connection.execute(
        "SELECT full_at + %s - %s - now() FROM sign_in_limits WHERE name = %s",
        [limit.interval, limit.period, name],
    )
    row = await cursor.fetchone()
    return dt.timedelta() if row is None else max(row[0], dt.timedelta())


async def give_back(connection: Connection, name: bytes, limit: TryLimit) -> None:
    """Undo one ``acquire``: the password was right."""
    await connection.execute(
        "UPDATE sign_in_limits SET full_at = full_at - %s WHERE name = %s", [limit.interval, name]
    )


async def expire(connection: Connection) -> int:
    """Delete what all tries are there again of; returns how many."""
    cursor = await connection.execute("DELETE FROM sign_in_limits WHERE full_at <= now()")
    return cursor.rowcount
