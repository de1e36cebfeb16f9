"""Partitions of the tick tables: ticks and histograms by day, hours and days by month, in UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from msgspec import Struct
from psycopg import sql

from monitor.storage.postgres.pool import Connection, Pool, transaction

_LOCK = 0x7469636B73  # "ticks": the advisory lock for creating and dropping partitions
_LOCK_TIMEOUT = "3s"
_DAY = dt.timedelta(days=1)

TICKS = "ticks"
HISTOGRAMS = "tick_histograms"
HOURS = "tick_rollups"
DAYS = "tick_days"
TABLES = (TICKS, HISTOGRAMS, HOURS, DAYS)
_BY_DAY = (TICKS, HISTOGRAMS)


class Partition(Struct, frozen=True, order=True):
    """The partition of ``table`` with start <= time < end."""

    table: str
    name: str
    start: dt.datetime
    end: dt.datetime


def of_day(table: str, day: dt.date) -> Partition:
    """The partition of this day in a table partitioned by day."""
    start = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    return Partition(table, f"{table}_{day:%Y%m%d}", start, start + _DAY)


def of_month(table: str, day: dt.date) -> Partition:
    """The partition of this day's month in a table partitioned by month."""
    start = dt.datetime(day.year, day.month, 1, tzinfo=dt.UTC)
    end = (start + dt.timedelta(days=31)).replace(day=1)
    return Partition(table, f"{table}_{day:%Y%m}", start, end)


def of(table: str, day: dt.date) -> Partition:
    """The partition of ``table`` with this day."""
    return of_day(table, day) if table in _BY_DAY else of_month(table, day)


def needed_on(today: dt.date) -> list[Partition]:
    """Those of yesterday, today and the next three days, in every table."""
    days = [today + n * _DAY for n in range(-1, 4)]
    return sorted({of(table, day) for table in TABLES for day in days})


async def create(pool: Pool, partitions: Iterable[Partition]) -> None:
    """Create the missing ones of these partitions. Safe to run concurrently.

    Raises Unavailable where the table is locked for more than 3 s.
    """
    async with transaction(pool) as connection:
        await _lock(connection)
        existing = {p.name for p in await _existing(connection)}
        for partition in partitions:
            if partition.name not in existing:
                await _create(connection, partition)


async def drop_before(pool: Pool, table: str, limit: dt.datetime) -> None:
    """Drop the partitions of ``table`` that end at ``limit`` or earlier.

    Each in a transaction of its own, because it blocks readers. Raises Unavailable where the
    table is locked for more than 3 s; partitions dropped by then stay dropped.
    """
    async with transaction(pool) as connection:
        expired = [p for p in await _existing(connection) if p.table == table and p.end <= limit]
    for partition in expired:
        async with transaction(pool) as connection:
            await _lock(connection)
            drop = sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(partition.name))
            await connection.execute(drop)


async def latest_first(pool: Pool, table: str) -> list[Partition]:
    """The existing partitions of ``table``."""
    async with transaction(pool) as connection:
        existing = await _existing(connection)
    return sorted((p for p in existing if p.table == table), reverse=True)


async def _lock(connection: Connection) -> None:
    await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


_LIST = """
SELECT child.relname
FROM pg_inherits
JOIN pg_class child ON child.oid = inhrelid
JOIN pg_class parent ON parent.oid = inhparent
WHERE parent.relname = ANY(%s)
"""


async def _existing(connection: Connection) -> list[Partition]:
    names = await (await connection.execute(_LIST, [list(TABLES)])).fetchall()
    return [_named(name) for (name,) in names]


def _named(name: str) -> Partition:
    table, _, when = name.rpartition("_")
    return of(table, dt.date.fromisoformat(when if table in _BY_DAY else f"{when}01"))


async def _create(connection: Connection, partition: Partition) -> None:
    """Create a table and attach it: unlike CREATE ... PARTITION OF, that does not block writers."""
    names = {"name": sql.Identifier(partition.name), "table": sql.Identifier(partition.table)}
    create = sql.SQL("CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    attach = sql.SQL(
        "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"
    )
    await connection.execute(create.format(**names))
    bounds = {"start": sql.Literal(partition.start), "end": sql.Literal(partition.end)}
    await connection.execute(attach.format(**names, **bounds))
