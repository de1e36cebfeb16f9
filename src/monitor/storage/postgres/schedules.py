"""The tables of periods: how each website was checked since when, and when regions existed.

Periods follow from the websites as they are stored: whoever changes one calls ``record`` in the
same transaction. It writes what differs, so calling it twice or for nothing changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql

from monitor.domain.schedule import Lifetime, Period, Schedule
from monitor.storage.postgres.pool import Connection, Pool, session

_LOCK = """
    SELECT 1 FROM website_periods WHERE until IS NULL AND website_id IN ({ids})
     ORDER BY website_id FOR NO KEY UPDATE
"""

_NOW: LiteralString = """
    (SELECT w.id,
            CASE WHEN w.paused_at IS NULL THEN w.check_frequency END AS check_frequency,
            CASE WHEN w.paused_at IS NULL AND NOT w.all_regions
                 THEN ARRAY(SELECT r.region FROM website_regions r WHERE r.website_id = w.id
                             ORDER BY r.region) END AS regions
       FROM websites w WHERE w.id IN ({ids})) w
"""

_BEGIN: LiteralString = f"""
    INSERT INTO website_periods (website_id, since, check_frequency, regions)
    SELECT w.id, now(), w.check_frequency, w.regions FROM {_NOW}
"""  # noqa: S608 - constants

# A clock that was set back, or a transaction that began before another which it had to wait for,
# must not end a period before its beginning.
_CLOSE: LiteralString = f"""
    UPDATE website_periods p SET until = greatest(now(), p.since)
      FROM {_NOW}
     WHERE p.website_id = w.id AND p.until IS NULL
       AND (p.check_frequency, p.regions) IS DISTINCT FROM (w.check_frequency, w.regions)
"""  # noqa: S608 - constants

# It begins where the last one ended; one that ended as it began is overwritten.
_OPEN: LiteralString = f"""
    INSERT INTO website_periods (website_id, since, check_frequency, regions)
    SELECT w.id,
           greatest(now(), (SELECT max(p.until) FROM website_periods p WHERE p.website_id = w.id)),
           w.check_frequency, w.regions
      FROM {_NOW}
     WHERE NOT EXISTS (SELECT 1 FROM website_periods p
                        WHERE p.website_id = w.id AND p.until IS NULL)
        ON CONFLICT (website_id, since) DO UPDATE
       SET until = NULL, check_frequency = excluded.check_frequency, regions = excluded.regions
"""  # noqa: S608 - constants


async def begin(connection: Connection, ids: sql.SQL, values: Mapping[str, Any]) -> None:
    """Begin the first periods of websites that this transaction created.

    ``ids``: a query that selects them.
    """
    await _execute(connection, _BEGIN, ids, values)


async def record(
    connection: Connection, ids: sql.SQL, values: Mapping[str, Any] | None = None
) -> None:
    """Begin another period of each of these websites that is now checked in another way.

    ``ids``: a query that selects them. It must select the same ones until the transaction ends.
    """
    # A statement of its own: the next one then sees what whoever held a lock has written.
    await _execute(connection, _LOCK, ids, values)
    await _execute(connection, _CLOSE, ids, values)
    await _execute(connection, _OPEN, ids, values)


async def _execute(
    connection: Connection,
    query: LiteralString,
    ids: sql.SQL,
    values: Mapping[str, Any] | None,
) -> None:
    # Not prepared: a plan made for an empty table would scan a large one sequentially.
    await connection.execute(sql.SQL(query).format(ids=ids), values, prepare=False)


async def begin_region(connection: Connection, name: str) -> None:
    """Note that a region exists from now on."""
    await connection.execute(
        "INSERT INTO region_periods (region, since) VALUES (%s, now())", [name]
    )


async def end_region(connection: Connection, name: str) -> None:
    """Note that a region, locked by the caller, exists no more."""
    await connection.execute(
        "UPDATE region_periods SET until = greatest(now(), since)"
        " WHERE region = %s AND until IS NULL",
        [name],
    )


async def fetch(
    connection: Connection, website_ids: Sequence[UUID], since_s: int
) -> dict[UUID, Schedule]:
    """What is known of the schedules of these websites from the period of ``since_s`` on.

    Where nothing is known, a schedule is empty.
    """
    cursor = await connection.cursor(binary=True).execute(
        """
        SELECT website_id, extract(epoch FROM since)::float8, extract(epoch FROM until)::float8,
               check_frequency, regions
          FROM website_periods
         WHERE website_id = ANY(%s) AND (until IS NULL OR until > to_timestamp(%s))
         ORDER BY website_id, since
        """,
        [list(website_ids), since_s],
    )
    periods: dict[UUID, list[Period]] = {website_id: [] for website_id in website_ids}
    for website_id, *row in await cursor.fetchall():
        periods[website_id].append(_period(*row))
    lifetimes = await _lifetimes(connection, since_s)
    return {website_id: Schedule(own, lifetimes) for website_id, own in periods.items()}


_KNOWN = """
    SELECT p.website_id, p.since <= greatest(w.created_at, to_timestamp(%(since_s)s)),
           extract(epoch FROM p.since)::float8, extract(epoch FROM p.until)::float8,
           p.check_frequency, p.regions
      FROM website_periods p JOIN websites w ON w.id = p.website_id
     WHERE p.website_id = ANY(%(ids)s)
       AND (p.until IS NULL OR p.until > to_timestamp(%(since_s)s))
       AND p.since < to_timestamp(%(until_s)s) + interval '1 day'
     ORDER BY p.website_id, p.since
"""


async def fetch_known(
    connection: Connection, website_ids: Sequence[UUID], since_s: int, until_s: int
) -> dict[UUID, Schedule]:
    """The schedules of these websites in [since_s, until_s), and for a day after it.

    Those are absent whose schedule is not known from ``since_s``, or from their creation, on.
    """
    values = {"ids": list(website_ids), "since_s": since_s, "until_s": until_s}
    cursor = await connection.cursor(binary=True).execute(_KNOWN, values)
    periods: dict[UUID, list[Period]] = {}
    for website_id, known, *row in await cursor.fetchall():
        if known:
            periods[website_id] = [_period(*row)]
        elif website_id in periods:
            periods[website_id].append(_period(*row))
    lifetimes = await _lifetimes(connection, since_s)
    return {website_id: Schedule(own, lifetimes) for website_id, own in periods.items()}


def _period(
    since_s: float, until_s: float | None, check_frequency: int | None, regions: list[str] | None
) -> Period:
    return Period(since_s, until_s, check_frequency, None if regions is None else tuple(regions))


async def _lifetimes(connection: Connection, since_s: int) -> list[Lifetime]:
    """When regions existed that did so at ``since_s`` or later."""
    cursor = await connection.execute(
        """
        SELECT region, since, until FROM region_periods
         WHERE until IS NULL OR until > to_timestamp(%s) ORDER BY region, since
        """,
        [since_s],
    )
    return [
        Lifetime(name, since.timestamp(), until and until.timestamp())
        for name, since, until in await cursor.fetchall()
    ]


async def expire(pool: Pool, limit: dt.datetime) -> int:
    """Delete the periods of websites that ended before ``limit``; returns how many."""
    async with session(pool) as connection:
        cursor = await connection.execute("DELETE FROM website_periods WHERE until < %s", [limit])
        return cursor.rowcount
