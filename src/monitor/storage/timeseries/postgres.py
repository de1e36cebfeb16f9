"""Ticks in Postgres, for installations without InfluxDB.

Tables: migrations/0002_ticks.sql, ``out_of_turn`` by 0011_schedules.sql, those of histograms and
days by 0015_daily_history.sql, ``address`` and ``began_at`` by 0017_single_checks.sql,
``dns_shared`` by 0018_shared_lookups.sql.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncServerCursor
from psycopg.rows import TupleRow

from monitor.domain.histogram import Histogram
from monitor.domain.outcome import Reason, Tick, Timings
from monitor.domain.rollup import Rollup
from monitor.domain.schedule import Schedule
from monitor.domain.series import DAY_S, HOUR_S, Bucket
from monitor.storage.postgres.pool import Pool, transaction
from monitor.storage.timeseries import partitions, postgres_rollups
from monitor.storage.timeseries.contract import (
    DAILY_DAYS,
    ChecksQuery,
    Schedules,
    Stored,
    no_schedules,
    not_needed,
)
from monitor.storage.timeseries.partitions import Partition
from monitor.storage.timeseries.throttle import Throttle
from monitor.storage.timeseries.totals import Totals, by_website, merged_by_website

T = TypeVar("T")

_ROLL_UP_TIMEOUT = "10min"
_PAGE = 5000
"""Roll-ups that are read and stored at once."""

# One per session, emptied by each commit: a table per write would bloat the catalogue.
_MAKE_STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS tick_staging (LIKE ticks) ON COMMIT DELETE ROWS
"""

_COPY = """
COPY tick_staging (
    website_id, region, slot, up, reason, status_code,
    response_ms, dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, out_of_turn,
    address, began_at, dns_shared
) FROM STDIN (FORMAT BINARY)
"""
_COPY_TYPES = (
    *("uuid", "text", "timestamptz", "bool", "text", "int4", *["float4"] * 6, "bool"),
    *("text", "timestamptz", "bool"),
)

# In key order, so that two writers of the same ticks wait instead of deadlocking.
_UPSERT = """
INSERT INTO ticks (
    website_id, region, slot, up, reason, status_code,
    response_ms, dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, out_of_turn,
    address, began_at, dns_shared
)
SELECT
    website_id, region, slot, up, reason, status_code,
    response_ms, dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, out_of_turn,
    address, began_at, dns_shared
FROM tick_staging
ORDER BY website_id, region, slot
ON CONFLICT (website_id, region, slot) DO UPDATE SET
    up = excluded.up,
    reason = excluded.reason,
    status_code = excluded.status_code,
    response_ms = excluded.response_ms,
    dns_ms = excluded.dns_ms,
    connect_ms = excluded.connect_ms,
    tls_ms = excluded.tls_ms,
    wait_ms = excluded.wait_ms,
    transfer_ms = excluded.transfer_ms,
    out_of_turn = coalesce(ticks.out_of_turn, excluded.out_of_turn),
    address = excluded.address,
    began_at = excluded.began_at,
    dns_shared = excluded.dns_shared
"""

# The 95th percentile as in every store: see totals.p95_rank. Nulls sort last.
_RAW_BUCKETS = """
SELECT
    region,
    extract(epoch FROM slot)::bigint / %(width)s * %(width)s AS start,
    count(*),
    count(*) FILTER (WHERE up),
    count(response_ms),
    avg(response_ms),
    (array_agg(response_ms ORDER BY response_ms))[(95 * count(response_ms) + 50) / 100],
    max(response_ms),
    count(out_of_turn)
FROM ticks
WHERE website_id = %(website_id)s
  AND (%(region)s::text IS NULL OR region = %(region)s)
  AND slot >= to_timestamp(%(since)s) AND slot < to_timestamp(%(until)s)
GROUP BY region, start
ORDER BY region COLLATE "C", start
"""

# Of one month: hours have no index of their own, and the latest one is in the latest partition.
_LAST_HOUR = """
SELECT extract(epoch FROM max(hour))::bigint FROM tick_rollups
WHERE hour >= %(start)s AND hour < %(end)s
"""

_TICKS = """
SELECT
    website_id, region, extract(epoch FROM slot)::bigint, up, reason, status_code,
    response_ms, dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, out_of_turn,
    address, began_at, dns_shared
FROM ticks
WHERE website_id = %(website_id)s
  AND slot >= to_timestamp(%(since)s) AND slot < to_timestamp(%(until)s)
ORDER BY slot, region COLLATE "C"
"""

_CHECKS = """
SELECT
    website_id, region, extract(epoch FROM slot)::bigint, up, reason, status_code,
    response_ms, dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, out_of_turn,
    address, began_at, dns_shared
FROM ticks
WHERE website_id = %(website_id)s
  AND (%(region)s::text IS NULL OR region = %(region)s)
  AND (%(up)s::boolean IS NULL OR up = %(up)s)
  AND slot >= to_timestamp(%(since)s) AND slot < to_timestamp(%(until)s)
  AND (
    %(after)s::bigint IS NULL OR slot < to_timestamp(%(after)s)
    OR region COLLATE "C" > %(after_region)s::text
  )
ORDER BY slot DESC, region COLLATE "C"
LIMIT %(limit)s
"""


class PostgresTicks:
    """A ``contract.TickStore`` on a pool that the caller opens and closes."""

    def __init__(
        self,
        pool: Pool,
        *,
        raw_days: int,
        rollup_days: int,
        daily_days: int = DAILY_DAYS,
        throttle: Callable[[], Throttle] = Throttle,
    ) -> None:
        """``throttle``: creates the throttle of a roll-up."""
        self._pool = pool
        self._raw_days, self._rollup_days, self._daily_days = raw_days, rollup_days, daily_days
        self._throttle = throttle

    async def check(self) -> list[str]:
        """Nothing to ask: migrations make the tables, and ``expire`` goes by the settings."""
        return []

    async def prepare(self) -> None:
        """Create the partitions of yesterday, today and the next three days."""
        async with transaction(self._pool) as connection:
            row = await (await connection.execute("SELECT now()")).fetchone()
        assert row is not None  # a SELECT without a table has one row
        await partitions.create(self._pool, partitions.needed_on(row[0].date()))

    async def write(self, ticks: Sequence[Tick]) -> None:
        # An INSERT must not contain a key twice: the later tick counts.
        by_key = {(t.website_id, t.region, t.slot_s): t for t in ticks}
        if not by_key:
            return
        out_of_turn = {(t.website_id, t.region, t.slot_s) for t in ticks if t.out_of_turn}
        rows = [_row(t, out_of_turn=key in out_of_turn) for key, t in by_key.items()]
        days = {row[2].date() for row in rows}
        await self._with_partitions(map(_day_of_ticks, days), lambda: self._write(rows))

    async def _write(self, rows: list[tuple[Any, ...]]) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(_MAKE_STAGING)
            async with connection.cursor().copy(_COPY) as copy:
                copy.set_types(_COPY_TYPES)
                for row in rows:
                    await copy.write_row(row)
            await connection.execute(_UPSERT)

    async def _with_partitions(
        self, needed: Iterable[Partition], attempt: Callable[[], Awaitable[T]]
    ) -> T:
        """Try; where a partition is missing, create those that are needed and try again."""
        try:
            return await attempt()
        except psycopg.errors.CheckViolation:  # "no partition of relation found for row"
            await partitions.create(self._pool, needed)
            return await attempt()

    async def raw_buckets(
        self, website_id: UUID, region: str | None, since_s: int, until_s: int, width_s: int
    ) -> list[Bucket]:
        values = _values(website_id, since_s, until_s) | {"region": region, "width": width_s}
        return [Bucket(*row) for row in await self._rows(_RAW_BUCKETS, values)]

    async def ticks(self, website_id: UUID, since_s: int, until_s: int) -> list[Tick]:
        rows = await self._rows(_TICKS, _values(website_id, since_s, until_s))
        return [_tick(row) for row in rows]

    async def checks(self, query: ChecksQuery) -> list[Tick]:
        after, after_region = query.after or (None, None)
        until_s = query.until_s if after is None else min(query.until_s, after + 1)
        values = _values(query.website_id, query.since_s, until_s)
        values |= {"region": query.region, "up": query.up, "limit": query.limit}
        values |= {"after": after, "after_region": after_region}
        return [_tick(row) for row in await self._rows(_CHECKS, values)]

    async def _rows(self, query: LiteralString, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        async with transaction(self._pool) as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def totals(
        self, website_ids: Sequence[UUID], since_s: int, until_s: int
    ) -> dict[UUID, list[Totals]]:
        values = {"ids": list(website_ids), "since": since_s, "until": until_s}
        async with transaction(self._pool) as connection:
            cursor = await connection.cursor(binary=True).execute(postgres_rollups.TICKS, values)
            return by_website(map(postgres_rollups.totals, await cursor.fetchall()))

    async def hourly(
        self, website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int
    ) -> dict[UUID, list[Rollup]]:
        return await self._rollups(postgres_rollups.HOURS, website_ids, region, since_s, until_s)

    async def histograms(
        self, website_ids: Sequence[UUID], since_s: int, until_s: int
    ) -> dict[UUID, Histogram]:
        values = {"ids": list(website_ids), "since": since_s, "until": until_s}
        async with transaction(self._pool) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(postgres_rollups.HISTOGRAMS, values)
            rows = await cursor.fetchall()
        return merged_by_website((i, Histogram.decode(encoded)) for i, encoded in rows)

    async def daily(
        self, website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int
    ) -> dict[UUID, list[Rollup]]:
        return await self._rollups(postgres_rollups.DAYS, website_ids, region, since_s, until_s)

    async def _rollups(
        self,
        query: LiteralString,
        website_ids: Sequence[UUID],
        region: str | None,
        since_s: int,
        until_s: int,
    ) -> dict[UUID, list[Rollup]]:
        values = {"ids": list(website_ids), "region": region, "since": since_s, "until": until_s}
        async with transaction(self._pool) as connection:
            cursor = await connection.cursor(binary=True).execute(query, values)
            return postgres_rollups.by_website(await cursor.fetchall())

    async def roll_up(
        self, hour_s: int, schedules: Schedules = no_schedules, _stored: Stored = not_needed
    ) -> int:
        until_s = hour_s + HOUR_S
        stored = 0
        async with self._reading(postgres_rollups.TICKS_OF_HOUR, hour_s, until_s) as pages:
            async for rows in pages:
                totals = [postgres_rollups.totals(row) for row in rows]
                ids = list({t.website_id for t in totals})
                due = await schedules(ids, hour_s, until_s)
                await self.store_hours(totals, hour_s, due)
                stored += len(totals)
        return stored

    async def store_hours(
        self, totals: Sequence[Totals], hour_s: int, schedules: Mapping[UUID, Schedule]
    ) -> None:
        """Store what these add up to in the hour that starts at ``hour_s``."""
        rows = [postgres_rollups.hour_row(t, hour_s, schedules) for t in totals]
        await self._store(postgres_rollups.STORE_HOURS, _hours_partitions(hour_s), rows)

    async def roll_up_day(self, day_s: int, schedules: Schedules = no_schedules) -> int:
        until_s = day_s + DAY_S
        month = partitions.of(partitions.DAYS, _utc(day_s).date())
        stored = 0
        async with self._reading(postgres_rollups.HOURS_OF_DAY, day_s, until_s) as pages:
            async for groups in postgres_rollups.grouped(pages):
                due = await schedules(list({g[0] for g in groups}), day_s, until_s)
                lines = [postgres_rollups.day_row(*group, day_s, due) for group in groups]
                await self._store(postgres_rollups.STORE_DAYS, [month], lines)
                stored += len(lines)
        return stored

    @asynccontextmanager
    async def _reading(
        self, query: LiteralString, since_s: int, until_s: int
    ) -> AsyncIterator[AsyncIterator[list[TupleRow]]]:
        """The rows of a long query, in pages, with a pause after each."""
        async with transaction(self._pool) as connection:
            await connection.execute(f"SET LOCAL statement_timeout = '{_ROLL_UP_TIMEOUT}'")
            async with connection.cursor("roll_up") as cursor:
                values = {"since": since_s, "until": until_s}
                await cursor.execute(query, values, binary=True)
                yield _pages(cursor, self._throttle())

    async def _store(
        self, statements: postgres_rollups.Store, needed: list[Partition], rows: list[TupleRow]
    ) -> None:
        await self._with_partitions(needed, lambda: self._copy(statements, rows))

    async def _copy(self, statements: postgres_rollups.Store, rows: list[TupleRow]) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(statements.staging)
            async with connection.cursor().copy(statements.copy) as copy:
                copy.set_types(statements.types)
                for row in rows:
                    await copy.write_row(row)
            for upsert in statements.upserts:
                await connection.execute(upsert)

    async def last_rolled_up(self) -> int | None:
        for month in await partitions.latest_first(self._pool, partitions.HOURS):
            values = {"start": month.start, "end": month.end}
            last: int | None = (await self._rows(_LAST_HOUR, values))[0][0]
            if last is not None:
                return last
        return None

    async def expire(self, now: dt.datetime) -> None:
        """Drop the partitions that are entirely beyond retention."""
        for table, days in (
            (partitions.TICKS, self._raw_days),
            (partitions.HISTOGRAMS, self._raw_days),
            (partitions.HOURS, self._rollup_days),
            (partitions.DAYS, self._daily_days),
        ):
            await partitions.drop_before(self._pool, table, now - dt.timedelta(days=days))

    async def ping(self) -> str:
        row = (await self._rows("SHOW server_version", {}))[0]
        return f"PostgreSQL {row[0]}"

    async def close(self) -> None:
        """Nothing to do: the caller closes the pool."""


async def _pages(
    cursor: AsyncServerCursor[TupleRow], throttle: Throttle
) -> AsyncIterator[list[TupleRow]]:
    while rows := await cursor.fetchmany(_PAGE):
        yield rows
        if len(rows) == _PAGE:
            await throttle.pause()


def _day_of_ticks(day: dt.date) -> Partition:
    return partitions.of(partitions.TICKS, day)


def _hours_partitions(hour_s: int) -> list[Partition]:
    day = _utc(hour_s).date()
    return [partitions.of(table, day) for table in (partitions.HOURS, partitions.HISTOGRAMS)]


def _values(website_id: UUID, since_s: int, until_s: int) -> dict[str, Any]:
    return {"website_id": website_id, "since": since_s, "until": until_s}


def _utc(unix_s: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC)


def _row(t: Tick, *, out_of_turn: bool) -> tuple[Any, ...]:
    """A tick as a row of ``_COPY``. Nulls take no room: an ordinary tick ends with four."""
    reason = None if t.reason is None else t.reason.value
    key = (t.website_id, t.region, _utc(t.slot_s))
    p = t.timings
    phases = (p.dns_ms, p.connect_ms, p.tls_ms, p.wait_ms, p.transfer_ms)
    began_at = None if t.began_at_s is None else dt.datetime.fromtimestamp(t.began_at_s, dt.UTC)
    result = (t.up, reason, t.status_code, t.response_ms, *phases)
    usually_null = (out_of_turn or None, t.address or None, began_at, p.dns_shared or None)
    return (*key, *result, *usually_null)


def _tick(row: tuple[Any, ...]) -> Tick:
    website_id, region, slot_s, up, reason, status_code, response_ms, *rest = row
    dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms = rest[:5]
    out_of_turn, address, began_at, dns_shared = rest[5:]
    return Tick(
        website_id,
        region,
        slot_s,
        up,
        None if reason is None else Reason(reason),
        status_code,
        response_ms,
        Timings(dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, bool(dns_shared)),
        bool(out_of_turn),
        address or "",
        began_at and began_at.timestamp(),
    )
