"""Partitions of the tick tables: ticks by the day, roll-ups by the month, all in UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from msgspec import Struct
from psycopg import sql

from monitor.storage.postgres.pool import Connection, Pool, transaction

_LOCK = 0x7469636B73  # "ticks": the advisory lock that partitions are made and dropped under
_LOCK_TIMEOUT = "3s"
_DAY = dt.timedelta(days=1)


class Partition(Struct, frozen=True, order=True):
    """A part of ``table`` that holds start <= time < end."""

    table: str
    name: str
    start: dt.datetime
    end: dt.datetime


def day_of_ticks(day: dt.date) -> Partition:
    start = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    return Partition("ticks", f"ticks_{day:%Y%m%d}", start, start + _DAY)


def month_of_rollups(day: dt.date) -> Partition:
    """The partition of the month that this day is in."""
    start = dt.datetime(day.year, day.month, 1, tzinfo=dt.UTC)
    end = (start + dt.timedelta(days=31)).replace(day=1)
    return Partition("tick_rollups", f"tick_rollups_{day:%Y%m}", start, end)


def needed_on(today: dt.date) -> list[Partition]:
    """Ticks of yesterday, today and the three days to come, and the roll-ups of those days."""
    days = [today + n * _DAY for n in range(-1, 4)]
    return sorted({*map(day_of_ticks, days), *map(month_of_rollups, days)})


async def make(pool: Pool, wanted: Iterable[Partition]) -> None:
    """Make those of these partitions that do not exist. Safe to run from several places at once.

    Raises Unavailable where somebody holds the table for more than 3 s.
    """
    async with transaction(pool) as connection:
        await _alone(connection)
        existing = {p.name for p in await _existing(connection)}
        for partition in wanted:
            if partition.name not in existing:
                await _make(connection, partition)


async def drop_before(pool: Pool, table: str, limit: dt.datetime) -> None:
    """Drop the partitions of ``table`` that hold nothing of ``limit`` or later.

    Each in a transaction of its own, as it keeps readers out meanwhile. Raises Unavailable
    where somebody holds the table for more than 3 s; what was dropped by then stays dropped.
    """
    async with transaction(pool) as connection:
        expired = [p for p in await _existing(connection) if p.table == table and p.end <= limit]
    for partition in expired:
        async with transaction(pool) as connection:
            await _alone(connection)
            drop = sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(partition.name))
            await connection.execute(drop)


async def months_of_rollups(pool: Pool) -> list[Partition]:
    """The partitions of roll-ups that exist, the latest first."""
    async with transaction(pool) as connection:
        existing = await _existing(connection)
    return sorted((p for p in existing if p.table == "tick_rollups"), reverse=True)


async def _alone(connection: Connection) -> None:
    await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


_LIST = """
SELECT child.relname
FROM pg_inherits
JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent IN ('ticks'::regclass, 'tick_rollups'::regclass)
"""


async def _existing(connection: Connection) -> list[Partition]:
    names = await (await connection.execute(_LIST)).fetchall()
    return [_named(name) for (name,) in names]


def _named(name: str) -> Partition:
    table, _, when = name.rpartition("_")
    if table == "ticks":
        return day_of_ticks(dt.date.fromisoformat(when))
    return month_of_rollups(dt.date.fromisoformat(f"{when}01"))


async def _make(connection: Connection, partition: Partition) -> None:
    """Made apart and attached: unlike CREATE ... PARTITION OF, that lets writers go on."""
    names = {"name": sql.Identifier(partition.name), "table": sql.Identifier(partition.table)}
    create = sql.SQL("CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    attach = sql.SQL(
        "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"
    )
    await connection.execute(create.format(**names))
    bounds = {"start": sql.Literal(partition.start), "end": sql.Literal(partition.end)}
    await connection.execute(attach.format(**names, **bounds))
