"""Delivering one notification: claim the row, send, record the result."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from uuid import UUID

from monitor.channels.contract import ChannelEvent, Delivery
from monitor.channels.registry import Channels
from monitor.domain import messages
from monitor.domain.backoff import give_up, retry_after
from monitor.domain.delivery import Fault
from monitor.domain.errors import DeliveryError, Unavailable
from monitor.domain.incident import Recipient
from monitor.domain.messages import Outgoing
from monitor.domain.outcome import printable
from monitor.runtime.logging import get_logger
from monitor.services.notifications.events import event_of
from monitor.storage.postgres import channels, notifications
from monitor.storage.postgres.notifications import Claimed, Failure
from monitor.storage.postgres.pool import Connection, Pool, transaction

log = get_logger(__name__)

_LEASE = dt.timedelta(seconds=60)
"""How long a delivery holds its row."""

SEND_WITHIN_S = 25.0
"""How long a channel may take; the rest of the lease is for recording what it did."""

_RECORD_AGAIN_S = (0.5, 1.0, 2.0, 4.0)
"""Waits between tries to record. Each try may wait 5 s for a connection: all of it, with the time
of the channel, is less than the lease."""

_ID_LIMIT = 998
"""The longest line of a mail, and with it the longest Message-ID."""
_ANSWER_LIMIT = 500


class Deliverer:
    """Delivers notifications over the channels that this process has.

    ``now`` gives Unix seconds; ``record_again_s``: waits between tries to record a delivery.
    """

    def __init__(
        self,
        pool: Pool,
        channels: Channels,
        now: Callable[[], float],
        *,
        send_within_s: float = SEND_WITHIN_S,
        record_again_s: tuple[float, ...] = _RECORD_AGAIN_S,
    ) -> None:
        self._pool = pool
        self._channels = channels
        self._now = now
        self._send_within_s = send_within_s
        self._record_again_s = record_again_s

    async def due(self, limit: int) -> list[UUID]:
        """The notifications due now over these channels, oldest first."""
        async with transaction(self._pool) as connection:
            return await notifications.due(connection, limit, self._channels.kinds)

    async def unsupported(self) -> dict[str, int]:
        """Notifications waiting for a channel that this process does not have, by channel.

        A newer version queued them, for a worker of that version.
        """
        async with transaction(self._pool) as connection:
            return await notifications.queued_for_others(connection, self._channels.kinds)

    async def deliver(self, row_id: UUID) -> list[Outgoing]:
        """Deliver a notification if it is due, has a known channel, and is not claimed.

        Between the other side's acceptance and the row's record lies the one window in which a
        crash, or a Postgres that stays away, repeats a message; both copies then carry the same
        notification id.
        """
        async with transaction(self._pool) as connection:
            claimed = await notifications.claim(connection, row_id, _LEASE, self._channels.kinds)
        if claimed is None:
            return []
        event = event_of(claimed)
        if event is None:
            await self._drop(claimed.id)
            return []
        try:
            delivery = await self._send(claimed, event)
        except DeliveryError as error:
            return await self._record_failure(claimed, error)
        await self._record_sent(claimed.id, delivery)
        log.info("notification.sent", notification_id=str(claimed.id), about=claimed.event.value)
        return []

    async def _drop(self, row_id: UUID) -> None:
        async with transaction(self._pool) as connection:
            await notifications.drop(connection, row_id)
        log.info("notification.dropped", notification_id=str(row_id))

    async def _send(self, claimed: Claimed, event: ChannelEvent) -> Delivery:
        channel = self._channels[claimed.channel]
        try:
            async with asyncio.timeout(self._send_within_s):
                return await channel.send(event, claimed.recipient)
        except TimeoutError as error:
            problem = f"{claimed.channel} did not finish within {self._send_within_s:g} s"
            raise DeliveryError(problem, permanent=False, fault=Fault.UNREACHABLE) from error

    async def _record_sent(self, row_id: UUID, delivery: Delivery) -> None:
        """Retry while the row is claimed: a delivery that is not recorded would be repeated."""
        message_id = delivery.message_id and printable(delivery.message_id, _ID_LIMIT)
        response = printable(delivery.response, _ANSWER_LIMIT)
        for wait_s in (*self._record_again_s, None):
            try:
                async with transaction(self._pool) as connection:
                    await notifications.mark_sent(
                        connection, row_id, message_id, response, delivery.peer
                    )
                return
            except Unavailable:
                if wait_s is None:
                    raise
                await asyncio.sleep(wait_s)

    async def _record_failure(self, claimed: Claimed, error: DeliveryError) -> list[Outgoing]:
        age_s = self._now() - claimed.created_at.timestamp()
        wait_s, problem = retry_after(claimed.attempts), printable(str(error), _ANSWER_LIMIT)
        async with transaction(self._pool) as connection:
            of_recipient = await _refuses_recipient(connection, claimed, error)
            failure = Failure(Fault.RECIPIENT if of_recipient else error.fault, problem)
            permanent = error.permanent or of_recipient or give_up(age_s)
            if permanent:
                await notifications.mark_failed(connection, claimed.id, failure)
            else:
                by = dt.timedelta(seconds=wait_s)
                await notifications.reschedule(connection, claimed.id, failure, by)
        log.warning(
            "notification.failed",
            notification_id=str(claimed.id),
            channel=claimed.channel,
            fault=failure.fault.value,
            permanent=permanent,
            error=problem,
        )
        if permanent:
            return []
        # A second later than the row says: a message that came too early would find nothing due.
        due_ms = int((self._now() + wait_s + 1) * 1000)
        return [messages.deliver(claimed.id, not_before_ms=due_ms)]


async def _refuses_recipient(
    connection: Connection, claimed: Claimed, error: DeliveryError
) -> bool:
    """Whether a refusal in doubt is about the recipient: the same server serves others."""
    to, peer = Recipient(claimed.channel, claimed.recipient), error.final_if_serving
    return peer is not None and await channels.took_another(connection, peer, to)
