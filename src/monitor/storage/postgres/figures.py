"""What is computed once an hour for lists: figures to sort by, and the response times of a day."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from msgspec import Struct

from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.website_rows import REQUEST_TIMEOUT


async def as_of(connection: Connection) -> int | None:
    """The end of the last hour that is in the figures, in Unix seconds; None before the first."""
    cursor = await connection.execute("SELECT until FROM figures_as_of")
    row = await cursor.fetchone()
    return None if row is None else int(row[0].timestamp())


async def note_as_of(connection: Connection, until_s: int) -> None:
    """Note that the hour that ends then is in the figures."""
    await connection.execute(
        "INSERT INTO figures_as_of (until) VALUES (to_timestamp(%s))"
        " ON CONFLICT (id) DO UPDATE SET until = excluded.until",
        [until_s],
    )


class Sliding(Struct, frozen=True):
    """A website, and the response times of up to 24 hours that are in its figures.

    ``regions`` None: all. ``uptime``: of 30 days; None: not known. ``since_s`` and ``until_s``:
    what is in ``histogram``, in Unix seconds; None where there is none yet.
    """

    website_id: UUID
    created_s: float
    paused_s: float | None
    regions: tuple[str, ...] | None
    uptime: float | None
    since_s: int | None
    until_s: int | None
    histogram: bytes | None


_SLIDING: LiteralString = """
    SELECT w.id, extract(epoch FROM w.created_at)::float8, extract(epoch FROM w.paused_at)::float8,
           CASE WHEN NOT w.all_regions
                THEN ARRAY(SELECT region FROM website_regions r WHERE r.website_id = w.id) END,
           nullif(f.uptime_30d, 'infinity'), l.since_s, l.until_s, l.histogram
      FROM websites w JOIN website_figures f ON f.website_id = w.id
      JOIN website_latencies l ON l.website_id = w.id
"""

_SLIDING_NEXT: LiteralString = f"""
    {_SLIDING}
     WHERE (%(after)s::uuid IS NULL OR w.id > %(after)s)
       AND l.until_s IS DISTINCT FROM %(until_s)s
     ORDER BY w.id LIMIT %(size)s
"""

_SLIDING_OF: LiteralString = f"{_SLIDING} WHERE w.id = ANY(%(ids)s) ORDER BY w.id"


async def sliding(
    connection: Connection, until_s: int, after: UUID | None, size: int
) -> list[Sliding]:
    """The next ``size`` websites in id order whose response times do not end at ``until_s``."""
    values = {"after": after, "size": size, "until_s": until_s}
    return await _sliding(connection, _SLIDING_NEXT, values)


async def sliding_of(connection: Connection, website_ids: Sequence[UUID]) -> list[Sliding]:
    """These websites, those of them that exist, in id order."""
    return await _sliding(connection, _SLIDING_OF, {"ids": list(website_ids)})


async def _sliding(
    connection: Connection, query: LiteralString, values: Mapping[str, Any]
) -> list[Sliding]:
    cursor = await connection.cursor(binary=True).execute(query, values, prepare=False)
    return [
        Sliding(website_id, created_s, paused_s, None if names is None else tuple(names), *rest)
        for website_id, created_s, paused_s, names, *rest in await cursor.fetchall()
    ]


class Latency(Struct, frozen=True):
    """What becomes of a website's response times, ``domain.latencies`` encoded, and their p95 in
    milliseconds; None without values."""

    website_id: UUID
    since_s: int
    until_s: int
    histogram: bytes
    p95_ms: float | None


# Nobody else writes these rows, so their order makes no deadlock.
_STORE: LiteralString = """
    UPDATE website_latencies l
       SET since_s = n.since_s, until_s = n.until_s, histogram = n.histogram,
           p95_24h_ms = n.p95_ms::real
      FROM unnest(%b::uuid[], %b::bigint[], %b::bigint[], %b::bytea[], %b::float8[])
           n (website_id, since_s, until_s, histogram, p95_ms)
     WHERE l.website_id = n.website_id
"""

_STORE_UPTIME: LiteralString = """
    UPDATE website_figures f SET uptime_30d = n.uptime
      FROM unnest(%s::uuid[], %s::real[]) n (website_id, uptime)
     WHERE f.website_id = n.website_id AND f.uptime_30d <> n.uptime
"""

# In the order of ids: whoever changes several waits for no one who waits for it.
_LOCK: LiteralString = """
    SELECT 1 FROM website_figures WHERE website_id = ANY(%s) ORDER BY website_id
       FOR NO KEY UPDATE
"""


async def store(connection: Connection, rows: Sequence[Latency]) -> None:
    """Store these response times."""
    if rows:
        columns: list[list[Any]] = [
            [r.website_id for r in rows],
            [r.since_s for r in rows],
            [r.until_s for r in rows],
            [r.histogram for r in rows],
            [-math.inf if r.p95_ms is None else r.p95_ms for r in rows],
        ]
        await connection.execute(_STORE, columns, prepare=False)


async def store_uptimes(connection: Connection, uptimes: Mapping[UUID, float | None]) -> None:
    """Store the uptimes of 30 days where they have changed; None: nothing was measured."""
    if uptimes:
        ids = list(uptimes)
        values = [math.inf if v is None else v for v in uptimes.values()]
        await connection.execute(_LOCK, [ids], prepare=False)
        await connection.execute(_STORE_UPTIME, [ids, values], prepare=False)


_BEGUN: LiteralString = f"""
    SELECT w.id, extract(epoch FROM w.created_at)::float8, {REQUEST_TIMEOUT}
      FROM websites w WHERE w.id = ANY(%s)
"""  # noqa: S608 - constants


class Begun(Struct, frozen=True):
    """When a website was created (Unix seconds), and the time-out of its checks."""

    website_id: UUID
    created_s: float
    request_timeout_s: int


async def begun(connection: Connection, website_ids: Sequence[UUID]) -> list[Begun]:
    """Of these websites."""
    cursor = await connection.execute(_BEGUN, [list(website_ids)], prepare=False)
    return [Begun(*row) for row in await cursor.fetchall()]


_TROUBLED = """
    SELECT website_id FROM website_figures
     WHERE uptime_30d < 1 AND (%(after)s::uuid IS NULL OR website_id > %(after)s)
    UNION
    SELECT website_id FROM incidents
     WHERE (resolved_at IS NULL OR resolved_at > to_timestamp(%(since_s)s))
       AND (%(after)s::uuid IS NULL OR website_id > %(after)s)
    UNION
    SELECT f.website_id FROM website_latencies l JOIN website_figures f USING (website_id)
     WHERE %(idle)s AND l.p95_24h_ms < 0 AND f.uptime_30d <= 1
       AND (%(after)s::uuid IS NULL OR website_id > %(after)s)
    ORDER BY website_id LIMIT %(size)s
"""


async def troubled(
    connection: Connection, since_s: int, after: UUID | None, size: int, *, idle: bool
) -> list[UUID]:
    """The next ``size`` websites, by id, that were down since then, or whose uptime says so.

    ``idle``: also those that have an uptime, and no response time in the last day.
    """
    values = {"since_s": since_s, "after": after, "size": size, "idle": idle}
    cursor = await connection.execute(_TROUBLED, values, prepare=False)
    return [website_id for (website_id,) in await cursor.fetchall()]
