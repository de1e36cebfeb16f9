"""Whether channels deliver, as the rows of the outbox tell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from msgspec import Struct

from monitor.domain.delivery import TAKEN_WITHIN_S, Fault
from monitor.domain.incident import Recipient
from monitor.storage.postgres.pool import Connection

_TAKEN_WITHIN = dt.timedelta(seconds=TAKEN_WITHIN_S)

_TOOK_ANOTHER = """
    SELECT EXISTS (SELECT FROM notifications
                    WHERE channel = %s AND state = 'sent' AND sent_at > now() - %s
                      AND peer = %s AND recipient <> %s)
"""


async def took_another(connection: Connection, peer: str, to: Recipient) -> bool:
    """Whether this peer lately took a notification for another recipient of the same channel."""
    values = [to.channel, _TAKEN_WITHIN, peer, to.address]
    row = await (await connection.execute(_TOOK_ANOTHER, values)).fetchone()
    return row is not None and bool(row[0])


class Failing(Struct, frozen=True):
    """A channel that does not deliver, and not because of recipients: why, and since when."""

    channel: str
    fault: Fault
    since: dt.datetime
    error: str


# The last to begin to fail, if nothing was delivered since: two index lookups a channel. What
# began to fail before something was delivered is at odds with its recipient, whatever it says.
_FAILING = """
    SELECT c.channel, f.fault, f.failing_since, f.last_error
      FROM unnest(%s::text[]) AS c (channel)
     CROSS JOIN LATERAL (SELECT n.fault, n.failing_since, n.last_error FROM notifications n
                          WHERE n.channel = c.channel AND n.state = 'queued'
                            AND n.fault <> 'recipient'
                          ORDER BY n.failing_since DESC LIMIT 1) f
     WHERE NOT EXISTS (SELECT FROM notifications s
                        WHERE s.channel = c.channel AND s.state = 'sent'
                          AND s.sent_at > f.failing_since)
     ORDER BY c.channel
"""


async def failing(connection: Connection, channels: Collection[str]) -> list[Failing]:
    """Those of these channels over which nothing was delivered since deliveries began to fail."""
    cursor = await connection.execute(_FAILING, [list(channels)])
    rows = await cursor.fetchall()
    return [Failing(channel, Fault(fault), since, error) for channel, fault, since, error in rows]
