"""Incidents: at most one open per website, and nothing changes one twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from monitor.domain.ids import incident_id
from monitor.domain.incident import Opening, Resolution
from monitor.storage.postgres.pool import Connection

_OPEN = """
    INSERT INTO incidents (id, website_id, started_at, cause, status_code, evidence, regions)
    VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""


async def open_incidents(
    connection: Connection, openings: Sequence[tuple[UUID, Opening]]
) -> dict[UUID, UUID]:
    """Open these (website, opening); returns {website: incident} of those that were not yet."""
    if not openings:
        return {}
    rows = [_row(website_id, opening) for website_id, opening in openings]
    opened = await _executemany_returning(connection, _OPEN, rows)
    return {website: incident for incident, website, *_ in rows if incident in opened}


def _row(
    website_id: UUID, opening: Opening
) -> tuple[UUID, UUID, dt.datetime, str, int, str, list[str]]:
    started_at = dt.datetime.fromtimestamp(opening.started_at_s, dt.UTC)
    cause = opening.cause
    return (
        incident_id(website_id, opening.started_at_s),
        website_id,
        started_at,
        cause.reason.value,
        cause.status_code,
        cause.evidence,
        list(opening.regions),
    )


_RESOLVE = """
    UPDATE incidents SET resolved_at = greatest(%s, started_at), resolution = %s
     WHERE id = %s AND resolved_at IS NULL RETURNING id
"""


async def resolve_incidents(
    connection: Connection,
    resolutions: Sequence[tuple[UUID, dt.datetime]],
    how: Resolution = Resolution.RECOVERED,
) -> set[UUID]:
    """End these (incident, when); returns the ids of those that were still open."""
    if not resolutions:
        return set()
    rows = [(at, how.value, incident) for incident, at in resolutions]
    return await _executemany_returning(connection, _RESOLVE, rows)


async def _executemany_returning(
    connection: Connection, statement: str, rows: Sequence[tuple[object, ...]]
) -> set[UUID]:
    found: set[UUID] = set()
    async with connection.cursor() as cursor:
        await cursor.executemany(statement.encode(), rows, returning=True)
        async for result in cursor.results():
            found.update(row[0] for row in await result.fetchall())
    return found
