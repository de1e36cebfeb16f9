"""Ticks in Postgres, for installations without InfluxDB.

Tables: migrations/0002_ticks.sql, and ``out_of_turn`` by 0011_schedules.sql,
``address`` and ``began_at`` by 0017_single_checks.sql.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, LiteralString, TypeVar
from uuid import UUID

import psycopg

from monitor.domain.outcome import Reason, Tick, Timings
from monitor.domain.series import HOUR_S, Bucket
from monitor.storage.postgres.pool import Pool, transaction
from monitor.storage.timeseries import partitions
from monitor.storage.timeseries.contract import ChecksQuery, KeptDays
from monitor.storage.timeseries.partitions import Partition

T = TypeVar("T")

_ROLL_UP_TIMEOUT = "10min"

# One per session, emptied by each commit: a table per write would bloat the catalogue.
_MAKE_STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS tick_staging (LIKE ticks) ON COMMIT DELETE ROWS
"""

_COPY = """
COPY tick_staging (
    website_id, region, slot, up, reason, status_code,
    response_ms, dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, out_of_turn,
    address, began_at
) FROM STDIN (FORMAT BINARY)
"""
_COPY_TYPES = (
    *("uuid", "text", "timestamptz", "bool", "text", "int4", *["float4"] * 6, "bool"),
    *("text", "timestamptz"),
)

# In key order, so that two writers of the same ticks wait instead of deadlocking.
_UPSERT = """
INSERT INTO ticks (
    website_id, region, slot, up, reason, status_code,
    response_ms, dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, out_of_turn,
    address, began_at
)
SELECT
    website_id, region, slot, up, reason, status_code,
    response_ms, dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, out_of_turn,
    address, began_at
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
    began_at = excluded.began_at
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

_HOURLY_BUCKETS = """
SELECT
    region, extract(epoch FROM hour)::bigint, checks, up, measured, mean_ms, p95_ms, max_ms,
    out_of_turn
FROM tick_rollups
WHERE website_id = %(website_id)s
  AND (%(region)s::text IS NULL OR region = %(region)s)
  AND hour >= to_timestamp(%(since)s) AND hour < to_timestamp(%(until)s)
ORDER BY region COLLATE "C", hour
"""

_ROLL_UP = """
INSERT INTO tick_rollups (
    website_id, region, hour, checks, up, measured, mean_ms, p95_ms, max_ms, out_of_turn
)
SELECT
    website_id,
    region,
    to_timestamp(%(since)s),
    count(*),
    count(*) FILTER (WHERE up),
    count(response_ms),
    avg(response_ms),
    (array_agg(response_ms ORDER BY response_ms))[(95 * count(response_ms) + 50) / 100],
    max(response_ms),
    count(out_of_turn)
FROM ticks
WHERE slot >= to_timestamp(%(since)s) AND slot < to_timestamp(%(until)s)
GROUP BY website_id, region
ON CONFLICT (website_id, region, hour) DO UPDATE SET
    checks = excluded.checks,
    up = excluded.up,
    measured = excluded.measured,
    mean_ms = excluded.mean_ms,
    p95_ms = excluded.p95_ms,
    max_ms = excluded.max_ms,
    out_of_turn = excluded.out_of_turn
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
    address, began_at
FROM ticks
WHERE website_id = %(website_id)s
  AND slot >= to_timestamp(%(since)s) AND slot < to_timestamp(%(until)s)
ORDER BY slot, region COLLATE "C"
"""

_CHECKS = """
SELECT
    website_id, region, extract(epoch FROM slot)::bigint, up, reason, status_code,
    response_ms, dns_ms, connect_ms, tls_ms, wait_ms, transfer_ms, out_of_turn,
    address, began_at
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

    def __init__(self, pool: Pool, *, raw_days: int, rollup_days: int) -> None:
        self._pool = pool
        self._raw_days = raw_days
        self._rollup_days = rollup_days

    async def kept_days(self) -> KeptDays:
        """``expire`` goes by the settings."""
        return KeptDays(self._raw_days, self._rollup_days)

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
        await self._with_partitions(map(partitions.day_of_ticks, days), lambda: self._write(rows))

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

    async def hourly_buckets(
        self, website_id: UUID, region: str | None, since_s: int, until_s: int
    ) -> list[Bucket]:
        values = _values(website_id, since_s, until_s) | {"region": region}
        return [Bucket(*row) for row in await self._rows(_HOURLY_BUCKETS, values)]

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

    async def roll_up(self, hour_s: int) -> int:
        month = partitions.month_of_rollups(_utc(hour_s).date())
        return await self._with_partitions([month], lambda: self._roll_up(hour_s))

    async def _roll_up(self, hour_s: int) -> int:
        async with transaction(self._pool) as connection:
            await connection.execute(f"SET LOCAL statement_timeout = '{_ROLL_UP_TIMEOUT}'")
            values = {"since": hour_s, "until": hour_s + HOUR_S}
            return (await connection.execute(_ROLL_UP, values)).rowcount

    async def last_rolled_up(self) -> int | None:
        for month in await partitions.months_of_rollups(self._pool):
            values = {"start": month.start, "end": month.end}
            last: int | None = (await self._rows(_LAST_HOUR, values))[0][0]
            if last is not None:
                return last
        return None

    async def expire(self, now: dt.datetime) -> None:
        """Drop the partitions that are entirely beyond retention."""
        for table, days in (("ticks", self._raw_days), ("tick_rollups", self._rollup_days)):
            await partitions.drop_before(self._pool, table, now - dt.timedelta(days=days))

    async def ping(self) -> str:
        row = (await self._rows("SHOW server_version", {}))[0]
        return f"PostgreSQL {row[0]}"

    async def close(self) -> None:
        """Nothing to do: the caller closes the pool."""


def _values(website_id: UUID, since_s: int, until_s: int) -> dict[str, Any]:
    return {"website_id": website_id, "since": since_s, "until": until_s}


def _utc(unix_s: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC)


def _row(t: Tick, *, out_of_turn: bool) -> tuple[Any, ...]:
    """A tick as a row of ``_COPY``. Nulls take no room: an ordinary tick ends with three."""
    reason = None if t.reason is None else t.reason.value
    key = (t.website_id, t.region, _utc(t.slot_s))
    p = t.timings
    phases = (p.dns_ms, p.connect_ms, p.tls_ms, p.wait_ms, p.transfer_ms)
    began_at = None if t.began_at_s is None else dt.datetime.fromtimestamp(t.began_at_s, dt.UTC)
    result = (t.up, reason, t.status_code, t.response_ms, *phases)
    return (*key, *result, out_of_turn or None, t.address or None, began_at)


def _tick(row: tuple[Any, ...]) -> Tick:
    website_id, region, slot_s, up, reason, status_code, response_ms, *rest = row
    *phases, out_of_turn, address, began_at = rest
    return Tick(
        website_id,
        region,
        slot_s,
        up,
        None if reason is None else Reason(reason),
        status_code,
        response_ms,
        Timings(*phases),
        bool(out_of_turn),
        address or "",
        began_at and began_at.timestamp(),
    )
