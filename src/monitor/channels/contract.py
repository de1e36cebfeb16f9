"""What a channel is given, what it does with it, and what it gives back."""

from __future__ import annotations

import datetime as dt
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from monitor.domain.incident import Event
from monitor.domain.outcome import Reason


class IncidentEvent(Struct, frozen=True, kw_only=True):
    """What to tell one recipient: an incident opened, or it was resolved.

    Times are aware; ``resolved_at`` is None while the incident is open. ``regions``: those that
    held the website down when it opened.

    ``notification_id`` is the same at each try and for nobody else: whatever a channel sends
    twice is one message to a receiver that compares it. ``opened_notification_id`` is that of the
    event that opened the incident (of an opened one its own), and ``opened_message_id`` what the
    channel's Delivery called that message, if it did: by either a channel can thread, edit or
    answer it.
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


class Delivery(Struct, frozen=True):
    """A message that the other side took: what it is called over there, and what was answered.

    ``message_id`` is None where the other side names no message. ``response`` may be foreign
    text of any length; what is recorded of it is printable and bounded.
    """

    message_id: str | None = None
    response: str = ""


class Channel(Protocol):
    """A way to tell people. How a message looks is the channel's own."""

    async def send(self, event: IncidentEvent, config: str) -> Delivery:
        """Tell one recipient; returns once the other side has taken responsibility.

        ``config`` says how to reach the recipient, in the channel's own notation: for e-mail it
        is an address. A send that takes too long is cancelled.

        Raises DeliveryError: permanent where the other side refuses this message or the config
        is invalid, passing for everything that time or the operator may put right.
        """
        ...

    async def close(self) -> None:
        """Give back what the channel holds open. Nothing is sent any more."""
        ...
