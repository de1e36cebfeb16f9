"""Closing incidents whose websites are paused, deleted or no longer checked from where they failed.

Each recipient who was told of a beginning gets one outbox row about all incidents that are closed
at once. Each step is one statement, however many websites there are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import sql

from monitor.domain.incident import Closing
from monitor.storage.postgres.notifications import INCIDENT_CONTENT
from monitor.storage.postgres.pool import Connection

LISTED = 20
"""How many websites a message names; it says how many more there are."""

_GROWS_FOR = dt.timedelta(seconds=30)
"""How long the message of an operation waits for more incidents, since the last ones."""


async def end_paused(
    connection: Connection,
    websites: sql.SQL,
    values: dict[str, Any] | None = None,
    operation: UUID | None = None,
) -> None:
    """Close the incidents and delete the verdicts of paused websites.

    ``websites``: a query that selects their ids. ``operation``: what closes incidents in several
    transactions; its messages wait for more of them.
    """
    # In the order of ``take_verdicts``, so that neither waits for the other for ever.
    verdicts = sql.SQL(
        """
        WITH held AS (
            SELECT website_id, region FROM verdicts WHERE website_id IN ({})
             ORDER BY website_id, region FOR UPDATE
        )
        DELETE FROM verdicts v USING held h
         WHERE v.website_id = h.website_id AND v.region = h.region
        """
    ).format(websites)
    await connection.execute(verdicts, values)
    closed = sql.SQL(
        """
        UPDATE incidents SET resolved_at = greatest(now(), started_at), resolution = 'paused'
         WHERE resolved_at IS NULL AND website_id IN ({}) RETURNING id
        """
    ).format(websites)
    await _queue(connection, Closing.PAUSED, await _ids(connection, closed, values), operation)


async def end_deleted(
    connection: Connection, websites: sql.SQL, values: dict[str, Any] | None = None
) -> None:
    """Queue and keep what is to be told of websites that are about to be deleted.

    ``websites``: a query that selects their ids. Outbox rows that are still queued are detached
    from their incidents, so that they are not deleted with them.
    """
    closed = sql.SQL(
        """
        SELECT id FROM incidents WHERE resolved_at IS NULL AND website_id IN ({})
         ORDER BY id FOR UPDATE
        """
    ).format(websites)
    await _queue(connection, Closing.DELETED, await _ids(connection, closed, values))
    detached = sql.SQL(
        """
        UPDATE notifications n SET content = {content}, incident_id = NULL
          FROM incidents i JOIN websites w ON w.id = i.website_id
         WHERE i.id = n.incident_id AND n.state = 'queued' AND w.id IN ({websites})
        """
    ).format(content=sql.SQL(INCIDENT_CONTENT), websites=websites)
    await connection.execute(detached, values)


async def take_verdicts(
    connection: Connection, lost: sql.SQL, values: dict[str, Any]
) -> list[UUID]:
    """Delete verdicts; returns the websites that one of them held down.

    ``lost``: the condition for ``verdicts v``. They are locked in the order in which the recorder
    writes them.
    """
    query = sql.SQL(
        """
        WITH lost AS (SELECT v.website_id, v.region FROM verdicts v WHERE {}
                       ORDER BY 1, 2 FOR UPDATE),
             gone AS (DELETE FROM verdicts v USING lost l
                       WHERE v.website_id = l.website_id AND v.region = l.region
                   RETURNING v.website_id, v.verdict)
        SELECT DISTINCT website_id FROM gone WHERE verdict = 'down'
        """
    ).format(lost)
    return await _ids(connection, query, values)


async def end_unheld(
    connection: Connection, website_ids: Sequence[UUID], operation: UUID | None = None
) -> None:
    """Close the incidents of those of these websites that no region holds down any more.

    What else may follow from the loss of a region, the quorum of the remaining ones decides.
    """
    closed = sql.SQL(
        """
        UPDATE incidents i
           SET resolved_at = greatest(now(), started_at), resolution = 'region_removed'
         WHERE resolved_at IS NULL AND website_id = ANY(%(websites)s)
           AND NOT EXISTS (SELECT 1 FROM verdicts v
                            WHERE v.website_id = i.website_id AND v.verdict = 'down')
        RETURNING id
        """
    )
    if website_ids:
        ids = await _ids(connection, closed, {"websites": list(website_ids)})
        await _queue(connection, Closing.REGION_REMOVED, ids, operation)


async def end_outvoted(
    connection: Connection, incidents: Sequence[UUID], operation: UUID
) -> list[UUID]:
    """Close these incidents, whose quorum was lost with a region; returns the rows queued."""
    closed = sql.SQL(
        """
        UPDATE incidents
           SET resolved_at = greatest(now(), started_at), resolution = 'region_removed'
         WHERE resolved_at IS NULL AND id = ANY(%(incidents)s) RETURNING id
        """
    )
    if not incidents:
        return []
    ids = await _ids(connection, closed, {"incidents": list(incidents)})
    return await _queue(connection, Closing.REGION_REMOVED, ids, operation)


async def _ids(
    connection: Connection, query: sql.Composable, values: dict[str, Any] | None
) -> list[UUID]:
    cursor = await connection.execute(sql.Composed([query]), values)
    return [found for (found,) in await cursor.fetchall()]


# An incident is closed once, so the ids derive from what told of its beginning. Who could not be
# told of the beginning is not told of the end; who is yet to be told waits for it.
_QUEUE = """
    WITH told AS (
        SELECT o.id, o.channel, o.recipient, o.state, o.message_id, i.id AS incident_id,
               i.started_at, i.cause, i.status_code, i.regions, w.id AS website_id, w.name, w.url,
               w.all_regions,
               row_number() OVER (PARTITION BY o.channel, o.recipient
                                      ORDER BY w.name, w.url, w.id) AS number
          FROM incidents i JOIN websites w ON w.id = i.website_id
          JOIN notifications o ON o.incident_id = i.id
         WHERE i.id = ANY(%(incidents)s) AND o.event = 'opened' AND o.state <> 'failed'
    )
    INSERT INTO notifications AS n
           (id, event, channel, recipient, operation, next_attempt_at, waits_for, content)
    SELECT encode(substr(sha256(convert_to('closed:' || min(id::text), 'UTF8')), 1, 16),
                  'hex')::uuid,
           'closed', channel, recipient, %(operation)s::uuid, now() + %(grows_for)s,
           coalesce(array_agg(id) FILTER (WHERE state = 'queued'), '{}'),
           jsonb_build_object(
               'how', %(how)s::text, 'closed_at', now(), 'total', count(*),
               'incidents', jsonb_agg(jsonb_build_object(
                   'incident_id', incident_id, 'website_id', website_id, 'website_name', name,
                   'url', url, 'started_at', started_at, 'cause', cause,
                   'status_code', status_code, 'opened_notification_id', id,
                   'opened_message_id', message_id,
                   'regions', ARRAY(
                       SELECT r FROM unnest(t.regions) r
                        WHERE NOT EXISTS (
                           SELECT 1 FROM regions x WHERE x.name = r AND t.all_regions
                           UNION ALL
                           SELECT 1 FROM website_regions x
                            WHERE x.website_id = t.website_id AND x.region = r)
                        ORDER BY r)
               ) ORDER BY number) FILTER (WHERE number <= %(listed)s))
      FROM told t GROUP BY channel, recipient
    ON CONFLICT (operation, channel, recipient, (content->>'how'))
          WHERE operation IS NOT NULL AND state = 'queued' AND attempts = 0
    DO UPDATE SET next_attempt_at = excluded.next_attempt_at,
                  waits_for = n.waits_for || excluded.waits_for,
                  content = n.content || jsonb_build_object(
                      'total', (n.content->>'total')::integer
                             + (excluded.content->>'total')::integer,
                      'incidents', (
                          SELECT jsonb_agg(one ORDER BY number)
                            FROM jsonb_array_elements(
                                     (n.content->'incidents') || (excluded.content->'incidents'))
                                 WITH ORDINALITY x (one, number)
                           WHERE number <= %(listed)s))
    RETURNING id
"""


async def _queue(
    connection: Connection,
    how: Closing,
    incidents: Sequence[UUID],
    operation: UUID | None = None,
) -> list[UUID]:
    """Put closed incidents into the outbox, a row a recipient; returns the rows' ids."""
    if not incidents:
        return []
    values = {
        "how": how.value,
        "incidents": list(incidents),
        "operation": operation,
        "grows_for": dt.timedelta(0) if operation is None else _GROWS_FOR,
        "listed": LISTED,
    }
    return await _ids(connection, sql.SQL(_QUEUE), values)
