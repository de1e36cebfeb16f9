"""How websites stand, as lists are sorted by it: kept by flips, by changes and by the sweep.

The column ``website_figures.standing`` follows from what is stored, but for one thing: whether a
website is measured, only the regions' states in Redis say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from msgspec import Struct
from psycopg import sql

from monitor.domain.status import Standing
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.website_rows import REQUEST_TIMEOUT

_OPEN: LiteralString = (
    "EXISTS (SELECT 1 FROM incidents i WHERE i.website_id = w.id AND i.resolved_at IS NULL)"
)

_BEGIN: LiteralString = f"""
    INSERT INTO website_figures (website_id, standing)
    SELECT w.id, CASE WHEN w.paused_at IS NULL THEN {Standing.UP:d} ELSE {Standing.PAUSED:d} END
      FROM websites w WHERE w.id IN ({{ids}})
"""  # noqa: S608 - constants

_BEGIN_LATENCIES: LiteralString = """
    INSERT INTO website_latencies (website_id) {ids}
"""

# In the order of ids: whoever changes several waits for no one who waits for it.
_LOCK: LiteralString = """
    SELECT 1 FROM website_figures WHERE website_id IN ({ids}) ORDER BY website_id
       FOR NO KEY UPDATE
"""

_REFRESH: LiteralString = f"""
    UPDATE website_figures f SET standing = s.standing, changed_at = now()
      FROM (SELECT w.id, CASE WHEN w.paused_at IS NOT NULL THEN {Standing.PAUSED:d}
                              WHEN o.standing = {Standing.NOT_MEASURED:d} THEN o.standing
                              WHEN {_OPEN} THEN {Standing.DOWN:d}
                              ELSE {Standing.UP:d} END AS standing
              FROM websites w JOIN website_figures o ON o.website_id = w.id
             WHERE w.id IN ({{ids}})) s
     WHERE f.website_id = s.id AND f.standing <> s.standing
"""  # noqa: S608 - constants

_NOTE: LiteralString = f"""
    UPDATE website_figures f SET standing = s.standing, changed_at = now()
      FROM (SELECT w.id, CASE WHEN w.paused_at IS NOT NULL THEN {Standing.PAUSED:d}
                              WHEN NOT m.measured THEN {Standing.NOT_MEASURED:d}
                              WHEN {_OPEN} THEN {Standing.DOWN:d}
                              ELSE {Standing.UP:d} END AS standing
              FROM unnest(%(ids)s::uuid[], %(measured)s::boolean[]) m (id, measured)
              JOIN websites w ON w.id = m.id) s
     WHERE f.website_id = s.id AND f.standing <> s.standing
"""  # noqa: S608 - constants


async def begin(connection: Connection, ids: sql.SQL, values: Mapping[str, Any]) -> None:
    """Add the figures of websites that this transaction created.

    ``ids``: a query that selects them.
    """
    await _execute(connection, _BEGIN, ids, values)
    await _execute(connection, _BEGIN_LATENCIES, ids, values)


async def refresh(
    connection: Connection, ids: sql.SQL, values: Mapping[str, Any] | None = None
) -> None:
    """Note how these websites stand after a change: paused, resumed, or rid of an incident.

    ``ids``: a query that selects them.
    """
    await _execute(connection, _LOCK, ids, values)
    await _execute(connection, _REFRESH, ids, values)


async def _execute(
    connection: Connection, query: LiteralString, ids: sql.SQL, values: Mapping[str, Any] | None
) -> None:
    # Not prepared: a plan made for an empty table would scan a large one sequentially.
    await connection.execute(sql.SQL(query).format(ids=ids), values, prepare=False)


async def note(connection: Connection, measured: Mapping[UUID, bool]) -> int:
    """Note whether these websites are measured; returns how many stand differently now."""
    if not measured:
        return 0
    ids = sorted(measured)
    await connection.execute(
        "SELECT 1 FROM website_figures WHERE website_id = ANY(%s) ORDER BY website_id"
        " FOR NO KEY UPDATE",
        [ids],
        prepare=False,
    )
    values = {"ids": ids, "measured": [measured[i] for i in ids]}
    return (await connection.execute(_NOTE, values, prepare=False)).rowcount


class Watch(Struct, frozen=True):
    """What it takes to tell whether an active website is measured. Times are in seconds."""

    website_id: UUID
    regions: tuple[str, ...]
    check_frequency: int
    request_timeout: int


_WATCH: LiteralString = f"""
    SELECT w.id, CASE WHEN w.all_regions THEN ARRAY(SELECT name FROM regions)
                      ELSE ARRAY(SELECT region FROM website_regions r WHERE r.website_id = w.id)
                  END,
           w.check_frequency, {REQUEST_TIMEOUT}
"""  # noqa: S608 - constants


async def watches(connection: Connection, website_ids: Sequence[UUID]) -> list[Watch]:
    """Those of these websites that are active."""
    query = _WATCH + " FROM websites w WHERE w.id = ANY(%s) AND w.paused_at IS NULL"
    rows = await connection.execute(query.encode(), [list(website_ids)], prepare=False)
    return [Watch(i, tuple(names), *times) for i, names, *times in await rows.fetchall()]


async def not_measured(connection: Connection, after: UUID | None, size: int) -> list[UUID]:
    """The next ``size`` websites, by id, that stand as not measured."""
    cursor = await connection.execute(
        "SELECT website_id FROM website_figures"
        " WHERE standing = %s AND (%s::uuid IS NULL OR website_id > %s) ORDER BY website_id"
        " LIMIT %s",
        [Standing.NOT_MEASURED.value, after, after, size],
        prepare=False,
    )
    return [website_id for (website_id,) in await cursor.fetchall()]
