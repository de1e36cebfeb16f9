"""The incident history of a website, and when websites last recovered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from monitor.domain.freshness import FOREVER_S
from monitor.domain.incident import Resolution
from monitor.domain.outcome import Reason
from monitor.domain.windows import Window
from monitor.storage.postgres.pool import Connection


class Incident(Struct, frozen=True):
    """A period in which a website was down; open if ``resolved_at`` is None."""

    id: UUID
    started_at: dt.datetime
    resolved_at: dt.datetime | None
    cause: Reason
    status_code: int
    evidence: str
    regions: tuple[str, ...]
    resolution: Resolution | None


_FETCH = """
    SELECT id, started_at, resolved_at, cause, status_code, evidence, regions, resolution
      FROM incidents
     WHERE website_id = %(website_id)s
       AND (%(at)s::timestamptz IS NULL OR (started_at, id) < (%(at)s, %(id)s::uuid))
     ORDER BY started_at DESC, id DESC LIMIT %(size)s
"""


async def incidents(
    connection: Connection,
    website_id: UUID,
    after: tuple[dt.datetime, UUID] | None,
    size: int,
) -> list[Incident]:
    """The next ``size`` incidents, newest first, after the one with this start and id."""
    at, incident_id = after or (None, None)
    values = {"website_id": website_id, "at": at, "id": incident_id, "size": size}
    rows = await (await connection.execute(_FETCH, values)).fetchall()
    return [
        Incident(r[0], r[1], r[2], Reason(r[3]), r[4], r[5], tuple(r[6]), r[7] and Resolution(r[7]))
        for r in rows
    ]


async def spans(
    connection: Connection, website_ids: Sequence[UUID], since_s: int
) -> dict[UUID, list[Window]]:
    """When incidents of these websites were open that did not end before ``since_s``.

    In whole seconds, cut off as those of periods are: a pause ends an incident where it begins.
    One that is open lasts for ever.
    """
    cursor = await connection.execute(
        """
        SELECT website_id, floor(extract(epoch FROM started_at))::bigint,
               floor(extract(epoch FROM resolved_at))::bigint
          FROM incidents
         WHERE website_id = ANY(%s) AND (resolved_at IS NULL OR resolved_at >= to_timestamp(%s))
         ORDER BY website_id, started_at
        """,
        [list(website_ids), since_s],
    )
    windows: dict[UUID, list[Window]] = {}
    for website_id, begin_s, end_s in await cursor.fetchall():
        window = Window(begin_s, FOREVER_S if end_s is None else end_s)
        windows.setdefault(website_id, []).append(window)
    return windows


async def last_resolved(
    connection: Connection, website_ids: Sequence[UUID]
) -> dict[UUID, dt.datetime]:
    """When the last incident of each website ended; absent if it is open or there was none."""
    cursor = await connection.execute(
        """
        SELECT w.id, i.resolved_at
          FROM unnest(%s::uuid[]) w (id)
          JOIN LATERAL (SELECT resolved_at FROM incidents WHERE website_id = w.id
                         ORDER BY started_at DESC, id DESC LIMIT 1) i
            ON i.resolved_at IS NOT NULL
        """,
        [list(website_ids)],
    )
    return dict(await cursor.fetchall())
