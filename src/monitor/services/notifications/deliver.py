"""Delivering one notification: claim the row, send, record what came of it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from monitor.channels.email.mail import Mail
from monitor.channels.email.message import IncidentEvent, render
from monitor.domain import messages
from monitor.domain.backoff import give_up, retry_after
from monitor.domain.errors import DeliveryError, Unavailable
from monitor.domain.messages import Outgoing
from monitor.runtime.logging import get_logger
from monitor.storage.postgres import notifications
from monitor.storage.postgres.notifications import Claimed
from monitor.storage.postgres.pool import Pool, transaction

log = get_logger(__name__)

_LEASE = dt.timedelta(seconds=60)
"""How long a delivery has the row for itself; an attempt is given up well before."""

_RECORD_AGAIN_S = (0.5, 1.0, 2.0, 4.0)
"""With the seconds that each try takes to fail, what of the lease a slow mail server leaves."""


class Channel(Protocol):
    """A way for a notification to leave. Raises DeliveryError."""

    async def send(self, mail: Mail) -> None: ...


@dataclass(frozen=True, slots=True)
class Courier:
    """What delivering needs. ``record_again_s``: waits between tries to record what was sent."""

    pool: Pool
    channel: Channel
    sender: str
    now: Callable[[], float]
    record_again_s: tuple[float, ...] = _RECORD_AGAIN_S


async def deliver(courier: Courier, notification_id: UUID) -> list[Outgoing]:
    """Deliver a notification if it is due and nobody else has it.

    Between the server's acceptance and the row's record lies the one window in which a crash, or
    a Postgres that stays away, repeats a mail; both copies then carry the same Message-ID.
    """
    async with transaction(courier.pool) as connection:
        claimed = await notifications.claim(connection, notification_id, _LEASE)
    if claimed is None:
        return []
    try:
        await courier.channel.send(render(_event(claimed), sender=courier.sender))
    except DeliveryError as error:
        return await _failed(courier, claimed, error)
    await _record_sent(courier, claimed.id)
    log.info("notification.sent", notification_id=str(claimed.id), about=claimed.event.value)
    return []


async def _record_sent(courier: Courier, row_id: UUID) -> None:
    """Record it for as long as the row is ours: what is not recorded is sent a second time."""
    for wait_s in (*courier.record_again_s, None):
        try:
            async with transaction(courier.pool) as connection:
                await notifications.mark_sent(connection, row_id)
            return
        except Unavailable:
            if wait_s is None:
                raise
            await asyncio.sleep(wait_s)


async def _failed(courier: Courier, claimed: Claimed, error: DeliveryError) -> list[Outgoing]:
    permanent = error.permanent or give_up(courier.now() - claimed.created_at.timestamp())
    wait_s = retry_after(claimed.attempts)
    async with transaction(courier.pool) as connection:
        if permanent:
            await notifications.mark_failed(connection, claimed.id, str(error))
        else:
            by = dt.timedelta(seconds=wait_s)
            await notifications.put_off(connection, claimed.id, str(error), by)
    log.warning(
        "notification.failed",
        notification_id=str(claimed.id),
        permanent=permanent,
        error=str(error),
    )
    if permanent:
        return []
    # A second later than the row says: a nudge that came too early would find nothing due.
    return [messages.deliver(claimed.id, not_before_ms=int((courier.now() + wait_s + 1) * 1000))]


def _event(claimed: Claimed) -> IncidentEvent:
    return IncidentEvent(
        notification_id=claimed.id,
        incident_id=claimed.incident_id,
        event=claimed.event,
        website_id=claimed.website_id,
        website_name=claimed.website_name,
        url=claimed.url,
        started_at=claimed.started_at,
        resolved_at=claimed.resolved_at,
        cause=claimed.cause,
        status_code=claimed.status_code,
        evidence=claimed.evidence,
        regions=claimed.regions,
        recipient=claimed.recipient,
    )
