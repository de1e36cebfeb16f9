"""Incidents: at most one open per website; opening and resolving are idempotent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from monitor.domain.ids import incident_id
from monitor.domain.incident import Opening, Resolution
from monitor.storage.postgres.pool import Connection

_OPEN = """
    INSERT INTO incidents (id, website_id, started_at, cause, status_code, evidence, regions)
    SELECT o.id, o.website_id, o.started_at, o.cause, o.status_code, o.evidence,
           string_to_array(o.regions, ',')
      FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::text[], %s::integer[],
                  %s::text[], %s::text[])
           o (id, website_id, started_at, cause, status_code, evidence, regions)
    ON CONFLICT DO NOTHING RETURNING id
"""


async def open_incidents(
    connection: Connection, openings: Sequence[tuple[UUID, Opening]]
) -> dict[UUID, UUID]:
    """Open incidents for these (website, opening); returns {website: id} of new ones."""
    if not openings:
        return {}
    rows = [_row(website_id, opening) for website_id, opening in openings]
    opened = await _execute_returning_ids(connection, _OPEN, rows)
    return {website: incident for incident, website, *_ in rows if incident in opened}


def _row(website_id: UUID, opening: Opening) -> tuple[UUID, UUID, dt.datetime, str, int, str, str]:
    started_at = dt.datetime.fromtimestamp(opening.started_at_s, dt.UTC)
    cause = opening.cause
    return (
        incident_id(website_id, opening.started_at_s),
        website_id,
        started_at,
        cause.reason.value,
        cause.status_code,
        cause.evidence,
        ",".join(opening.regions),  # unnest would flatten an array of arrays
    )


_RESOLVE = """
    UPDATE incidents i SET resolved_at = greatest(r.at, i.started_at), resolution = r.how
      FROM unnest(%s::timestamptz[], %s::text[], %s::uuid[]) r (at, how, id)
     WHERE i.id = r.id AND i.resolved_at IS NULL RETURNING i.id
"""


async def resolve_incidents(
    connection: Connection,
    resolutions: Sequence[tuple[UUID, dt.datetime]],
    how: Resolution = Resolution.RECOVERED,
) -> set[UUID]:
    """Resolve these (incident, time); returns the ids of those that were still open."""
    if not resolutions:
        return set()
    rows = [(at, how.value, incident) for incident, at in resolutions]
    return await _execute_returning_ids(connection, _RESOLVE, rows)


async def _execute_returning_ids(
    connection: Connection, statement: str, rows: Sequence[tuple[object, ...]]
) -> set[UUID]:
    """Run a statement with one list per column; returns the ids that it returns."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    cursor = await connection.execute(statement.encode(), columns)
    return {row[0] for row in await cursor.fetchall()}
