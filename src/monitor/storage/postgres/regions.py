"""The table of regions."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from monitor.domain.errors import Conflict
from monitor.resources.region import Region
from monitor.storage.postgres import closings, schedules, standings
from monitor.storage.postgres.pool import Connection


async def fetch(connection: Connection, name: str) -> Region | None:
    """One region, or None."""
    cursor = await connection.execute(
        "SELECT name, description, created_at, updated_at FROM regions WHERE name = %s", [name]
    )
    row = await cursor.fetchone()
    return None if row is None else Region(*row)


async def fetch_page(connection: Connection, after: str, size: int) -> list[Region]:
    """The next ``size`` regions by name; ``after`` is "" for the first page."""
    cursor = await connection.execute(
        """
        SELECT name, description, created_at, updated_at FROM regions
         WHERE name > %s ORDER BY name LIMIT %s
        """,
        [after, size],
    )
    return [Region(*row) for row in await cursor.fetchall()]


async def existing(connection: Connection, names: Sequence[str]) -> frozenset[str]:
    """The existing ones of these regions, locked against removal until the transaction ends."""
    if not names:
        return frozenset()
    cursor = await connection.execute(
        "SELECT name FROM regions WHERE name = ANY(%s) ORDER BY name FOR KEY SHARE", [list(names)]
    )
    return frozenset(name for (name,) in await cursor.fetchall())


async def any_exists(connection: Connection) -> bool:
    cursor = await connection.execute("SELECT 1 FROM regions LIMIT 1")
    return await cursor.fetchone() is not None


async def insert(connection: Connection, name: str, description: str) -> None:
    """Store a new region. Raises Conflict if the name is taken.

    Also adds the change row that makes Redis discard an earlier region of the same name. This is
    not done in ``delete``, because checks still running then may write for the old region.
    """
    try:
        await connection.execute(
            "INSERT INTO regions (name, description) VALUES (%s, %s)", [name, description]
        )
    except psycopg.errors.UniqueViolation as error:
        raise Conflict("region_exists", f"There is already a region {name}.", "name") from error
    await schedules.begin_region(connection, name)
    await connection.execute("INSERT INTO changes (forget_region) VALUES (%s)", [name])


async def describe(connection: Connection, name: str, description: str) -> bool:
    """Change the description; False if the region does not exist."""
    cursor = await connection.execute(
        "UPDATE regions SET description = %s, updated_at = now() WHERE name = %s",
        [description, name],
    )
    return cursor.rowcount == 1


async def lock(connection: Connection, name: str) -> bool:
    """Lock a region, so that no website can be assigned to it; False if it does not exist."""
    cursor = await connection.execute("SELECT 1 FROM regions WHERE name = %s FOR UPDATE", [name])
    return await cursor.fetchone() is not None


async def in_use(connection: Connection, name: str) -> bool:
    """Whether any website is checked from this region, by name or from all regions."""
    cursor = await connection.execute(
        """
        SELECT EXISTS (SELECT 1 FROM website_regions WHERE region = %s)
            OR EXISTS (SELECT 1 FROM websites WHERE all_regions)
        """,
        [name],
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def delete(connection: Connection, name: str) -> None:
    """Delete a locked region, remove it from its websites, which may be very many, and close
    incidents that it alone held open."""
    await connection.execute("SET LOCAL statement_timeout = '5min'")
    # Before their rows elsewhere, as whoever deletes one of them does.
    await connection.execute(
        "SELECT 1 FROM websites WHERE id IN"
        " (SELECT website_id FROM website_regions WHERE region = %s) ORDER BY id FOR KEY SHARE",
        [name],
    )
    of_region = sql.SQL("v.region = %(name)s")
    unheld = await closings.take_verdicts(connection, of_region, {"name": name})
    await connection.execute(
        "CREATE TEMPORARY TABLE region_lost ON COMMIT DROP AS"
        " WITH lost AS (DELETE FROM website_regions WHERE region = %s RETURNING website_id)"
        " SELECT website_id FROM lost",
        [name],
    )
    await schedules.record(connection, sql.SQL("SELECT website_id FROM region_lost"))
    await schedules.end_region(connection, name)
    await connection.execute("DELETE FROM regions WHERE name = %s", [name])
    await closings.end_unheld(connection, unheld)
    await standings.refresh(connection, sql.SQL("SELECT website_id FROM region_lost"))
