"""The outbox: a row first, then a delivery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg.rows import TupleRow

from monitor.domain.backoff import MAX_RETRY_S
from monitor.domain.delivery import Fault
from monitor.domain.ids import notification_id
from monitor.domain.incident import ClosedIncident, Closing, Event, Recipient
from monitor.domain.outcome import Reason
from monitor.storage.postgres.pool import Connection

_LONGEST_WAIT = dt.timedelta(seconds=MAX_RETRY_S + 60)


class IncidentContent(Struct, frozen=True):
    """What the message about one incident says.

    ``opened_message_id``: for a resolved incident, the channel's id of the message that announced
    its opening to this recipient.
    """

    incident_id: UUID
    website_id: UUID
    website_name: str
    url: str
    started_at: dt.datetime
    resolved_at: dt.datetime | None
    cause: Reason
    status_code: int
    evidence: str
    regions: tuple[str, ...]
    opened_message_id: str | None


class ClosedContent(Struct, frozen=True):
    """What the message about closed incidents says: how many they are, and the first of them."""

    how: Closing
    closed_at: dt.datetime
    total: int
    incidents: tuple[ClosedIncident, ...]


class Claimed(Struct, frozen=True, kw_only=True):
    """A notification to deliver now, with what it says.

    ``unannounced``: of the openings that it waited for, those that could not be announced.
    """

    id: UUID
    attempts: int
    created_at: dt.datetime
    channel: str
    recipient: str
    event: Event
    content: IncidentContent | ClosedContent
    unannounced: tuple[UUID, ...]


INCIDENT_CONTENT: LiteralString = """
    jsonb_build_object(
        'incident_id', i.id, 'website_id', w.id, 'website_name', w.name, 'url', w.url,
        'started_at', i.started_at,
        'resolved_at', CASE WHEN n.event = 'resolved' THEN i.resolved_at END,
        'cause', i.cause, 'status_code', i.status_code, 'evidence', i.evidence,
        'regions', i.regions,
        'opened_message_id', (SELECT max(o.message_id) FROM notifications o
                               WHERE o.id = ANY(n.waits_for)))
"""
"""IncidentContent of ``notifications n`` about ``incidents i`` of ``websites w``."""

_QUEUE = """
    INSERT INTO notifications (id, incident_id, event, channel, recipient, waits_for)
    SELECT q.id, q.incident_id, q.event, q.channel, q.recipient,
           CASE WHEN q.waits_for IS NULL THEN '{}' ELSE ARRAY[q.waits_for] END
      FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[])
           q (id, incident_id, event, channel, recipient, waits_for)
    ON CONFLICT DO NOTHING
"""


async def queue(
    connection: Connection, event: Event, recipients: Sequence[tuple[UUID, Recipient]]
) -> list[UUID]:
    """Put an event into the outbox for each (incident, recipient); returns the rows' ids.

    A resolved incident is announced only after its opening was announced, or could not be.
    """
    rows = [
        (
            notification_id(incident, event.value, to.channel, to.address),
            incident,
            event.value,
            to.channel,
            to.address,
            opened_id(incident, to) if event is Event.RESOLVED else None,
        )
        for incident, to in recipients
    ]
    if rows:
        await connection.execute(_QUEUE, [list(column) for column in zip(*rows, strict=True)])
    return [row[0] for row in rows]


def opened_id(incident: UUID, to: Recipient) -> UUID:
    """The id of the notification that tells this recipient of the incident's beginning."""
    return notification_id(incident, Event.OPENED.value, to.channel, to.address)


async def opened_recipients(
    connection: Connection, incidents: Sequence[UUID]
) -> list[tuple[UUID, Recipient]]:
    """(incident, recipient) of all notifications of the opening of these incidents."""
    cursor = await connection.execute(
        "SELECT incident_id, channel, recipient FROM notifications"
        " WHERE incident_id = ANY(%s) AND event = 'opened' ORDER BY 1, 2, 3",
        [list(incidents)],
    )
    return [(row[0], Recipient(row[1], row[2])) for row in await cursor.fetchall()]


# Advancing next_attempt_at leases the row: until then, other workers do not find it due.
# No delivery is delayed by more than %(longest)s: a row that would have to wait longer was dated
# by a clock that was ahead, and is due.
_DUE_NOW: LiteralString = """
    n.state = 'queued'
    AND (n.next_attempt_at <= now() OR n.next_attempt_at > now() + %(longest)s)
    AND NOT EXISTS (SELECT 1 FROM notifications o
                     WHERE o.id = ANY(n.waits_for) AND o.state = 'queued')
"""

_SUPPORTED: LiteralString = "n.channel = ANY(%(channels)s) AND n.event = ANY(%(events)s)"
"""What this process can send; the rest is left to workers of a newer version, which queued it."""

_EVENTS = [event.value for event in Event]

_CLAIM: LiteralString = f"""
    UPDATE notifications n
       SET attempts = attempts + 1, next_attempt_at = now() + %(lease)s
     WHERE n.id = %(id)s AND {_SUPPORTED} AND {_DUE_NOW}
    RETURNING n.id, n.attempts, n.created_at, n.channel, n.recipient, n.event,
              coalesce(n.content,
                       (SELECT {INCIDENT_CONTENT} FROM incidents i
                          JOIN websites w ON w.id = i.website_id WHERE i.id = n.incident_id))::text,
              ARRAY(SELECT o.id FROM notifications o
                     WHERE o.id = ANY(n.waits_for) AND o.state = 'failed')
"""  # noqa: S608 - constants


async def claim(
    connection: Connection, row_id: UUID, lease: dt.timedelta, channels: Collection[str]
) -> Claimed | None:
    """Lease a due notification for ``lease``.

    None if it is not due, not queued, or for a channel that is not among ``channels``.
    """
    values = {
        "id": row_id, "lease": lease, "longest": _LONGEST_WAIT, "channels": list(channels),
        "events": _EVENTS,
    }  # fmt: skip
    cursor = await connection.execute(_CLAIM, values)
    row = await cursor.fetchone()
    return None if row is None else _claimed(row)


def _claimed(row: TupleRow) -> Claimed:
    event = Event(row[5])
    kind: type[IncidentContent | ClosedContent] = (
        ClosedContent if event is Event.CLOSED else IncidentContent
    )
    return Claimed(
        id=row[0],
        attempts=row[1],
        created_at=row[2],
        channel=row[3],
        recipient=row[4],
        event=event,
        content=msgspec.json.decode(row[6], type=kind),
        unannounced=tuple(row[7]),
    )


async def mark_sent(
    connection: Connection,
    row_id: UUID,
    message_id: str | None,
    response: str,
    peer: str | None = None,
) -> None:
    """Record a delivery, with the channel's message id and response, and who took it."""
    await connection.execute(
        "UPDATE notifications SET state = 'sent', sent_at = now(), last_error = NULL,"
        " fault = NULL, failing_since = NULL, message_id = %s, response = %s, peer = %s"
        " WHERE id = %s AND state = 'queued'",
        [message_id, response, peer, row_id],
    )


class Failure(Struct, frozen=True):
    """Why a delivery failed: what it is about, and in words."""

    fault: Fault
    error: str


async def mark_failed(connection: Connection, row_id: UUID, failure: Failure) -> None:
    """Mark a notification as failed permanently."""
    await connection.execute(
        "UPDATE notifications SET state = 'failed', last_error = %s, fault = %s"
        " WHERE id = %s AND state = 'queued'",
        [failure.error, failure.fault.value, row_id],
    )


_RESCHEDULE = """
    UPDATE notifications
       SET next_attempt_at = now() + %(by)s, last_error = %(error)s, fault = %(fault)s,
           failing_since = CASE WHEN fault = %(fault)s THEN failing_since ELSE now() END
     WHERE id = %(id)s AND state = 'queued'
"""


async def reschedule(
    connection: Connection, row_id: UUID, failure: Failure, by: dt.timedelta
) -> None:
    """Schedule a retry after a temporary failure."""
    values = {"id": row_id, "error": failure.error, "fault": failure.fault.value, "by": by}
    await connection.execute(_RESCHEDULE, values)


_DUE: LiteralString = f"""
    SELECT n.id FROM notifications n
     WHERE (%(channels)s::text[] IS NULL OR {_SUPPORTED}) AND {_DUE_NOW}
     ORDER BY n.next_attempt_at, n.id LIMIT %(limit)s
"""  # noqa: S608 - constants


async def due(
    connection: Connection, limit: int, channels: Collection[str] | None = None
) -> list[UUID]:
    """The notifications that ``claim`` would lease now, the longest due first.

    ``channels``: only these; None: all.
    """
    names = None if channels is None else list(channels)
    values = {"longest": _LONGEST_WAIT, "limit": limit, "channels": names, "events": _EVENTS}
    cursor = await connection.execute(_DUE, values)
    return [row_id for (row_id,) in await cursor.fetchall()]


COUNTED_UP_TO = 100_000

_UNSUPPORTED: LiteralString = f"""
    SELECT channel, count(*) FROM (SELECT channel FROM notifications n
                                    WHERE state = 'queued' AND NOT ({_SUPPORTED})
                                    LIMIT %(most)s) q
     GROUP BY channel ORDER BY channel
"""  # noqa: S608 - constants


async def queued_for_others(connection: Connection, channels: Collection[str]) -> dict[str, int]:
    """How many notifications are queued for channels not among ``channels``, or about events of a
    newer version, by channel.

    Counts up to COUNTED_UP_TO rows.
    """
    values = {"channels": list(channels), "events": _EVENTS, "most": COUNTED_UP_TO}
    cursor = await connection.execute(_UNSUPPORTED, values)
    return dict(await cursor.fetchall())


async def drop(connection: Connection, row_id: UUID) -> None:
    """Delete a queued notification that its recipient is not to get."""
    await connection.execute(
        "DELETE FROM notifications WHERE id = %s AND state = 'queued'", [row_id]
    )


async def expire(connection: Connection, keep_days: int) -> int:
    """Delete notifications that outlived their incidents and are settled, after ``keep_days``;
    returns how many. The others are deleted with their websites."""
    cursor = await connection.execute(
        "DELETE FROM notifications WHERE incident_id IS NULL AND state <> 'queued'"
        " AND created_at < now() - make_interval(days => %s)",
        [keep_days],
    )
    return cursor.rowcount
