"""Roll-ups as rows of Postgres: the queries that make, store and read them. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import groupby
from typing import Any, LiteralString
from uuid import UUID

from msgspec import Struct
from psycopg.rows import TupleRow

from monitor.domain.histogram import Histogram
from monitor.domain.rollup import Rollup, day_of_hours, decode_gaps, encode_gaps
from monitor.domain.schedule import Schedule
from monitor.storage.timeseries.totals import Totals

# One row a website and region: the server adds up, and hands over what it cannot.
_TICKS: LiteralString = """
SELECT
    website_id,
    region,
    count(*),
    count(*) FILTER (WHERE up),
    count(out_of_turn),
    array_agg(response_ms) FILTER (WHERE response_ms IS NOT NULL),
    array_agg(extract(epoch FROM slot)::int) FILTER (WHERE out_of_turn IS NULL)
FROM ticks
WHERE slot >= to_timestamp(%(since)s) AND slot < to_timestamp(%(until)s)
"""

TICKS_OF_HOUR: LiteralString = f"{_TICKS} GROUP BY website_id, region"

TICKS: LiteralString = f"""
{_TICKS} AND website_id = ANY(%(ids)s)
GROUP BY website_id, region ORDER BY website_id, region COLLATE "C"
"""

_HOUR_COLUMNS: LiteralString = """
    r.website_id, r.region, extract(epoch FROM r.hour)::int8, r.checks, r.up, r.out_of_turn,
    r.expected, r.measured, r.mean_ms::float8 * r.measured, r.max_ms, h.histogram, r.gaps
"""

_HOURS: LiteralString = f"""
SELECT {_HOUR_COLUMNS}
  FROM tick_rollups r
  LEFT JOIN tick_histograms h
    ON h.website_id = r.website_id AND h.region = r.region AND h.hour = r.hour
   AND h.hour >= to_timestamp(%(since)s) AND h.hour < to_timestamp(%(until)s)
 WHERE r.hour >= to_timestamp(%(since)s) AND r.hour < to_timestamp(%(until)s)
"""  # noqa: S608 - constants

HOURS_OF_DAY: LiteralString = f"{_HOURS} ORDER BY r.website_id, r.region, r.hour"

HOURS: LiteralString = f"""
{_HOURS} AND r.website_id = ANY(%(ids)s) AND (%(region)s::text IS NULL OR r.region = %(region)s)
 ORDER BY r.website_id, r.region COLLATE "C", r.hour
"""

HISTOGRAMS: LiteralString = """
SELECT website_id, histogram FROM tick_histograms
 WHERE website_id = ANY(%(ids)s)
   AND hour >= to_timestamp(%(since)s) AND hour < to_timestamp(%(until)s)
"""

DAYS: LiteralString = """
SELECT website_id, region, extract(epoch FROM day)::int8, checks, up, out_of_turn, expected,
       measured, total_ms, max_ms, histogram, gaps
  FROM tick_days
 WHERE website_id = ANY(%(ids)s) AND (%(region)s::text IS NULL OR region = %(region)s)
   AND day >= to_timestamp(%(since)s) AND day < to_timestamp(%(until)s)
 ORDER BY website_id, region COLLATE "C", day
"""


class Store(Struct, frozen=True):
    """How rows are stored: copied into a temporary table, and from there into others."""

    staging: LiteralString
    copy: LiteralString
    types: tuple[str, ...]
    upserts: tuple[LiteralString, ...]


STORE_HOURS = Store(
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS hour_staging (
        website_id uuid, region text, hour bigint, checks integer, up integer,
        out_of_turn integer, expected integer, measured integer, mean_ms real, max_ms real,
        histogram bytea, gaps bytea
    ) ON COMMIT DELETE ROWS
    """,
    "COPY hour_staging FROM STDIN (FORMAT BINARY)",
    ("uuid", "text", "int8", *["int4"] * 5, *["float4"] * 2, "bytea", "bytea"),
    (
        """
        INSERT INTO tick_rollups (
            website_id, region, hour, checks, up, out_of_turn, expected, measured,
            mean_ms, max_ms, gaps
        )
        SELECT website_id, region, to_timestamp(hour), checks, up, out_of_turn, expected, measured,
               mean_ms, max_ms, gaps
          FROM hour_staging ORDER BY website_id, region
        ON CONFLICT (website_id, region, hour) DO UPDATE SET
            checks = excluded.checks,
            up = excluded.up,
            out_of_turn = excluded.out_of_turn,
            expected = excluded.expected,
            measured = excluded.measured,
            mean_ms = excluded.mean_ms,
            max_ms = excluded.max_ms,
            gaps = excluded.gaps
        """,
        """
        INSERT INTO tick_histograms (website_id, region, hour, histogram)
        SELECT website_id, region, to_timestamp(hour), histogram
          FROM hour_staging WHERE histogram IS NOT NULL ORDER BY website_id, region
        ON CONFLICT (website_id, region, hour) DO UPDATE SET histogram = excluded.histogram
        """,
    ),
)

STORE_DAYS = Store(
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS day_staging (
        website_id uuid, region text, day bigint, checks integer, up integer, out_of_turn integer,
        expected integer, measured integer, total_ms float8, max_ms real, histogram bytea,
        gaps bytea
    ) ON COMMIT DELETE ROWS
    """,
    "COPY day_staging FROM STDIN (FORMAT BINARY)",
    ("uuid", "text", "int8", *["int4"] * 5, "float8", "float4", "bytea", "bytea"),
    (
        """
        INSERT INTO tick_days (
            website_id, region, day, checks, up, out_of_turn, expected, measured, total_ms, max_ms,
            histogram, gaps
        )
        SELECT website_id, region, to_timestamp(day), checks, up, out_of_turn, expected, measured,
               total_ms, max_ms, histogram, gaps
          FROM day_staging ORDER BY website_id, region
        ON CONFLICT (website_id, region, day) DO UPDATE SET
            checks = excluded.checks,
            up = excluded.up,
            out_of_turn = excluded.out_of_turn,
            expected = excluded.expected,
            measured = excluded.measured,
            total_ms = excluded.total_ms,
            max_ms = excluded.max_ms,
            histogram = excluded.histogram,
            gaps = excluded.gaps
        """,
    ),
)


def totals(row: TupleRow) -> Totals:
    """What a row of ``TICKS_OF_HOUR`` says."""
    website_id, region, checks, up, out_of_turn, responses_ms, filled_s = row
    return Totals(website_id, region, checks, up, out_of_turn, responses_ms or [], filled_s or [])


def hour_row(totals: Totals, hour_s: int, schedules: Mapping[UUID, Schedule]) -> TupleRow:
    """A row of ``STORE_HOURS``."""
    r = totals.rollup(hour_s, schedules.get(totals.website_id))
    mean_ms = r.total_ms / r.measured if r.measured else None
    return (*_counts(totals.website_id, r), mean_ms, r.max_ms, *_encoded(r))


def day_row(
    website_id: UUID, hours: list[Rollup], day_s: int, schedules: Mapping[UUID, Schedule]
) -> TupleRow:
    """A row of ``STORE_DAYS``."""
    r = day_of_hours(hours, day_s, website_id, schedules.get(website_id))
    return (*_counts(website_id, r), r.total_ms, r.max_ms, *_encoded(r))


def _counts(website_id: UUID, r: Rollup) -> tuple[Any, ...]:
    key = (website_id, r.region, r.start_s)
    return (*key, r.checks, r.up, r.out_of_turn, r.expected, r.measured)


def _encoded(r: Rollup) -> tuple[bytes | None, bytes | None]:
    """Null takes no room: a histogram without values, no gaps."""
    histogram = r.histogram.encode() if r.histogram is not None and r.measured else None
    return histogram, encode_gaps(r.gaps, r.start_s) or None


def rollup(row: TupleRow) -> Rollup:
    """What a row of ``HOURS``, ``HOURS_OF_DAY`` or ``DAYS`` says."""
    _, region, start_s, checks, up, out_of_turn, expected, measured = row[:8]
    total_ms, max_ms, histogram, gaps = row[8:]
    return Rollup(
        region,
        start_s,
        checks,
        up,
        out_of_turn,
        expected,
        measured,
        total_ms or 0.0,
        max_ms,
        _histogram(histogram, measured),
        decode_gaps(gaps or b"", start_s),
    )


def _histogram(encoded: bytes | None, measured: int) -> Histogram | None:
    if encoded is None:
        return None if measured else Histogram()
    return Histogram.decode(encoded)


def by_website(rows: Iterable[TupleRow]) -> dict[UUID, list[Rollup]]:
    """The roll-ups of each website, in the order of the rows."""
    rollups: dict[UUID, list[Rollup]] = {}
    for row in rows:
        rollups.setdefault(row[0], []).append(rollup(row))
    return rollups


async def grouped(
    pages: AsyncIterator[list[TupleRow]],
) -> AsyncIterator[list[tuple[UUID, list[Rollup]]]]:
    """Rows of ``HOURS_OF_DAY``, page by page: each website and region with all its hours."""
    rest: list[TupleRow] = []
    async for page in pages:
        groups = [list(g) for _, g in groupby([*rest, *page], key=lambda row: row[:2])]
        rest = groups.pop()  # it may go on with the next page
        if groups:
            yield [(g[0][0], [rollup(row) for row in g]) for g in groups]
    if rest:
        yield [(rest[0][0], [rollup(row) for row in rest])]
