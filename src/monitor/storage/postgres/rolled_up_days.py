"""Which days (UTC) are rolled up for every website."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from monitor.storage.postgres.pool import Connection


class DaysDone(Struct, frozen=True):
    """All from ``first_s`` to ``last_s``, the starts of the first and the last day."""

    first_s: int
    last_s: int


async def fetch(connection: Connection) -> DaysDone | None:
    """None where no day is."""
    cursor = await connection.execute("SELECT first_day, last_day FROM rolled_up_days")
    row = await cursor.fetchone()
    return None if row is None else DaysDone(*(int(day.timestamp()) for day in row))


async def note(connection: Connection, done: DaysDone) -> None:
    """Replace what was noted."""
    days = [dt.datetime.fromtimestamp(day_s, dt.UTC) for day_s in (done.first_s, done.last_s)]
    await connection.execute(
        """
        INSERT INTO rolled_up_days (first_day, last_day) VALUES (%s, %s)
        ON CONFLICT (only_row) DO UPDATE
           SET first_day = excluded.first_day, last_day = excluded.last_day
        """,
        days,
    )
