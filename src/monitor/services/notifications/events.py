"""The event for a channel that an outbox row stands for. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from monitor.channels.contract import ChannelEvent, ClosedEvent, IncidentEvent
from monitor.domain.incident import Recipient
from monitor.domain.outcome import printable
from monitor.storage.postgres.notifications import (
    Claimed,
    ClosedContent,
    IncidentContent,
    opened_id,
)

_NAME_LIMIT = 255
_URL_LIMIT = 2048


def event_of(claimed: Claimed) -> ChannelEvent | None:
    """The event, with foreign text made printable and cut.

    None: the recipient is not to be told, because nothing could be told of the beginning either.
    """
    if isinstance(claimed.content, ClosedContent):
        return _closed_event(claimed, claimed.content)
    return _incident_event(claimed, claimed.content)


def _incident_event(claimed: Claimed, content: IncidentContent) -> IncidentEvent:
    recipient = Recipient(claimed.channel, claimed.recipient)
    return IncidentEvent(
        notification_id=claimed.id,
        incident_id=content.incident_id,
        type=claimed.event,
        website_id=content.website_id,
        website_name=printable(content.website_name, _NAME_LIMIT),
        url=printable(content.url, _URL_LIMIT),
        started_at=content.started_at,
        resolved_at=content.resolved_at,
        cause=content.cause,
        status_code=content.status_code,
        evidence=printable(content.evidence),
        regions=content.regions,
        opened_notification_id=opened_id(content.incident_id, recipient),
        opened_message_id=content.opened_message_id,
    )


def _closed_event(claimed: Claimed, content: ClosedContent) -> ClosedEvent | None:
    unannounced = frozenset(claimed.unannounced)
    total = content.total - len(unannounced)
    if total <= 0:
        return None
    return ClosedEvent(
        notification_id=claimed.id,
        how=content.how,
        closed_at=content.closed_at,
        total=total,
        incidents=tuple(
            replace(
                one,
                website_name=printable(one.website_name, _NAME_LIMIT),
                url=printable(one.url, _URL_LIMIT),
            )
            for one in content.incidents
            if one.opened_notification_id not in unannounced
        ),
    )
