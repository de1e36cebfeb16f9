"""The contract of channels: the event they send, and the delivery they return."""

from __future__ import annotations

import datetime as dt
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from monitor.domain.incident import ClosedIncident, Closing, Event
from monitor.domain.outcome import Reason


class IncidentEvent(Struct, frozen=True, kw_only=True):
    """An event for one recipient: an incident was opened or resolved.

    Times are aware; ``resolved_at`` is None while the incident is open. ``regions``: those that
    held the website down when it opened.

    ``notification_id`` is unique to this event and recipient and the same for each try, so a
    receiver can recognize a repeated message. ``opened_notification_id`` is the id of the event
    that opened the incident, and ``opened_message_id`` the ``message_id`` of its delivery, if it
    has one: with either a channel can thread, edit or answer that message.
    """

    notification_id: UUID
    incident_id: UUID
    type: Event
    website_id: UUID
    website_name: str
    url: str
    started_at: dt.datetime
    resolved_at: dt.datetime | None
    cause: Reason
    status_code: int
    evidence: str
    regions: tuple[str, ...]
    opened_notification_id: UUID
    opened_message_id: str | None = None


class ClosedEvent(Struct, frozen=True, kw_only=True):
    """An event for one recipient: incidents were closed, because their websites are paused, deleted
    or no longer checked from where they failed.

    ``total`` says how many, at least one; ``incidents`` are the first of them. ``notification_id``
    is as in IncidentEvent. With a single incident, a channel can thread, edit or answer the message
    that told of its beginning.
    """

    notification_id: UUID
    how: Closing
    closed_at: dt.datetime
    total: int
    incidents: tuple[ClosedIncident, ...]


ChannelEvent = IncidentEvent | ClosedEvent


class Delivery(Struct, frozen=True):
    """A message that the other side accepted.

    ``message_id`` is its name there, or None. ``response`` is the other side's answer; before it
    is recorded it is made printable and cut. ``peer`` names the other side, where there can be
    several: what it took for one recipient shows that it means another when it refuses that one.
    """

    message_id: str | None = None
    response: str = ""
    peer: str | None = None


class Channel(Protocol):
    """A way to notify people. It renders its own messages."""

    async def send(self, event: ChannelEvent, config: str) -> Delivery:
        """Notify one recipient. Returns once the other side has accepted the message.

        ``config`` says how to reach the recipient: for e-mail it is an address. A send that takes
        too long is cancelled.

        Raises DeliveryError: permanent if the other side takes nothing for this recipient or the
        config is invalid, temporary for everything that time or the operator may fix.
        """
        ...

    async def log_in(self) -> str:
        """Go as far as one can without sending anything; returns the other side's name.

        Raises DeliveryError where it does not let us in. For `monitor doctor`.
        """
        ...

    async def close(self) -> None:
        """Release connections. Nothing is sent afterwards."""
        ...
