"""The outbox: a row first, then a delivery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct

from monitor.domain.backoff import MAX_RETRY_S
from monitor.domain.delivery import Fault
from monitor.domain.ids import notification_id
from monitor.domain.incident import Event, Recipient
from monitor.domain.outcome import Reason
from monitor.storage.postgres.pool import Connection

_LONGEST_WAIT = dt.timedelta(seconds=MAX_RETRY_S + 60)


class Claimed(Struct, frozen=True):
    """A notification to deliver now, with the data for its text.

    ``opened_message_id``: for a resolved incident, the channel's id of the message that announced
    its opening to this recipient.
    """

    id: UUID
    attempts: int
    created_at: dt.datetime
    channel: str
    recipient: str
    event: Event
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


_QUEUE = """
    INSERT INTO notifications (id, incident_id, event, channel, recipient)
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[])
    ON CONFLICT DO NOTHING
"""


async def queue(
    connection: Connection, event: Event, recipients: Sequence[tuple[UUID, Recipient]]
) -> list[UUID]:
    """Put an event into the outbox for each (incident, recipient); returns the rows' ids."""
    rows = [
        (
            notification_id(incident, event.value, to.channel, to.address),
            incident,
            event.value,
            to.channel,
            to.address,
        )
        for incident, to in recipients
    ]
    if rows:
        await connection.execute(_QUEUE, [list(column) for column in zip(*rows, strict=True)])
    return [row[0] for row in rows]


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
# A resolved incident is announced only after its opening was announced, or could not be.
_CLAIM = """
    UPDATE notifications n
       SET attempts = attempts + 1, next_attempt_at = now() + %(lease)s
      FROM incidents i JOIN websites w ON w.id = i.website_id
     WHERE n.id = %(id)s AND n.state = 'queued' AND n.channel = ANY(%(channels)s)
       AND (n.next_attempt_at <= now() OR n.next_attempt_at > now() + %(longest)s)
       AND i.id = n.incident_id
       AND NOT EXISTS (SELECT 1 FROM notifications o
                        WHERE o.incident_id = n.incident_id AND o.channel = n.channel
                          AND o.recipient = n.recipient AND o.state = 'queued'
                          AND o.event = 'opened' AND n.event = 'resolved')
    RETURNING n.id, n.attempts, n.created_at, n.channel, n.recipient, n.event, i.id, w.id,
              w.name, w.url, i.started_at,
              CASE WHEN n.event = 'resolved' THEN i.resolved_at END, i.cause, i.status_code,
              i.evidence, i.regions,
              (SELECT o.message_id FROM notifications o
                WHERE o.incident_id = n.incident_id AND o.channel = n.channel
                  AND o.recipient = n.recipient AND o.event = 'opened' AND n.event = 'resolved')
"""


async def claim(
    connection: Connection, row_id: UUID, lease: dt.timedelta, channels: Collection[str]
) -> Claimed | None:
    """Lease a due notification for ``lease``.

    None if it is not due, not queued, or for a channel that is not among ``channels``.
    """
    values = {
        "id": row_id, "lease": lease, "longest": _LONGEST_WAIT, "channels": list(channels)
    }  # fmt: skip
    cursor = await connection.execute(_CLAIM, values)
    row = await cursor.fetchone()
    if row is None:
        return None
    return msgspec.convert(dict(zip(Claimed.__struct_fields__, row, strict=True)), Claimed)


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


_DUE = """
    SELECT n.id FROM notifications n
     WHERE n.state = 'queued'
       AND (%(channels)s::text[] IS NULL OR n.channel = ANY(%(channels)s))
       AND (n.next_attempt_at <= now() OR n.next_attempt_at > now() + %(longest)s)
       AND NOT EXISTS (SELECT 1 FROM notifications o
                        WHERE o.incident_id = n.incident_id AND o.channel = n.channel
                          AND o.recipient = n.recipient AND o.state = 'queued'
                          AND o.event = 'opened' AND n.event = 'resolved')
     ORDER BY n.next_attempt_at, n.id LIMIT %(limit)s
"""


async def due(
    connection: Connection, limit: int, channels: Collection[str] | None = None
) -> list[UUID]:
    """The notifications that ``claim`` would lease now, the longest due first.

    ``channels``: only these; None: all.
    """
    names = None if channels is None else list(channels)
    values = {"longest": _LONGEST_WAIT, "limit": limit, "channels": names}
    cursor = await connection.execute(_DUE, values)
    return [row_id for (row_id,) in await cursor.fetchall()]


COUNTED_UP_TO = 100_000

_OTHER_CHANNELS = """
    SELECT channel, count(*) FROM (SELECT channel FROM notifications
                                    WHERE state = 'queued' AND channel <> ALL(%s) LIMIT %s) q
     GROUP BY channel ORDER BY channel
"""


async def queued_for_others(connection: Connection, channels: Collection[str]) -> dict[str, int]:
    """How many notifications are queued for channels not among ``channels``, by channel.

    Counts up to COUNTED_UP_TO rows.
    """
    cursor = await connection.execute(_OTHER_CHANNELS, [list(channels), COUNTED_UP_TO])
    return dict(await cursor.fetchall())
