"""The central actors: they schedule, sync, decide, deliver, and maintain the stores."""

from __future__ import annotations

from typing import Any

import dramatiq
from periodiq import cron

from monitor.actors.resources import CentralResources
from monitor.domain.errors import BadMessage
from monitor.domain.messages import (
    INCIDENTS_QUEUE,
    NOTIFICATIONS_QUEUE,
    SCHEDULE_QUEUE,
    SYNC_QUEUE,
    UPKEEP_QUEUE,
    Deliver,
    RecordFlips,
)
from monitor.domain.people import SessionLifetime
from monitor.queue.broker import FIRST_PRIORITY, Broker, send_all
from monitor.queue.handling import decode_payload, requeue_on_shutdown, skip_if_unavailable
from monitor.services.access import audit
from monitor.services.bulk import views as bulk_views
from monitor.services.notifications import outbox
from monitor.services.people import sessions
from monitor.services.scheduling import emit

_PATIENT = 40
"""Retries for about ten minutes, at most 15 s apart, so that what waits for Postgres runs soon
after it is back. Retries that dispatch a minute's batches end by themselves with that minute."""

_ROLL_UP_LIMIT_MS = 6 * 3600 * 1000
"""An hour of a million websites takes up to half an hour, and many hours and days may be due."""


def declare(broker: Broker, resources: CentralResources) -> None:
    """Declare all central actors, the periodic ones among them."""
    _declare_schedule(broker, resources)
    _declare_sync(broker, resources)
    _declare_incidents(broker, resources)
    _declare_upkeep(broker, resources)
    _declare_expiry(broker, resources)


def _declare_schedule(broker: Broker, resources: CentralResources) -> None:
    @dramatiq.actor(
        broker=broker, queue_name=SCHEDULE_QUEUE, max_retries=_PATIENT, min_backoff=500,
        max_backoff=2_000, priority=FIRST_PRIORITY, periodic=cron("* * * * *"),
        throws=(TypeError,),  # a malformed message has arguments that it does not take
    )  # fmt: skip
    async def emit_batches() -> None:
        await resources.watch.note_loss()
        minute_s = emit.minute_to_emit(resources.clock.now())
        resources.emitted.inc(await resources.emitter.emit_minute(minute_s))


def _declare_sync(broker: Broker, resources: CentralResources) -> None:
    @dramatiq.actor(
        broker=broker, queue_name=SYNC_QUEUE, max_retries=_PATIENT, min_backoff=1_000,
        max_backoff=15_000, periodic=cron("* * * * *"),
    )  # fmt: skip
    async def sync_changes(payload: Any = None) -> None:  # noqa: ARG001 - the message is only a trigger
        # A change may have closed incidents, whose recipients are to be told at once.
        resources.outbox.notify()
        await resources.coalesced_sync.sync()

    @dramatiq.actor(
        broker=broker, queue_name=SYNC_QUEUE, max_retries=5, periodic=cron("@midnight"),
        notify_shutdown=True,
    )  # fmt: skip
    @requeue_on_shutdown
    async def full_sync() -> None:
        """Sync everything once a day, in case a change was ever missed."""
        await resources.sync.full_sync()


def _declare_incidents(broker: Broker, resources: CentralResources) -> None:
    @dramatiq.actor(
        broker=broker, queue_name=INCIDENTS_QUEUE, max_retries=_PATIENT, min_backoff=500,
        max_backoff=15_000, throws=(BadMessage,),
    )  # fmt: skip
    async def record_flips(payload: Any) -> None:
        flips = decode_payload(payload, RecordFlips).flips
        await send_all(await resources.recorder.record(flips))

    @dramatiq.actor(
        broker=broker, queue_name=INCIDENTS_QUEUE, max_retries=0, periodic=cron("* * * * *")
    )
    @skip_if_unavailable
    async def sweep_missed() -> None:
        await send_all(await resources.sweep.run())

    @dramatiq.actor(
        broker=broker, queue_name=INCIDENTS_QUEUE, max_retries=0, periodic=cron("* * * * *")
    )
    @skip_if_unavailable
    async def sweep_standings() -> None:
        """Keep the order of lists that are sorted by status."""
        await resources.standings.run()

    @dramatiq.actor(
        broker=broker, queue_name=NOTIFICATIONS_QUEUE, max_retries=3, min_backoff=1_000,
        throws=(BadMessage,),
    )  # fmt: skip
    async def deliver(payload: Any) -> None:
        """Trigger the outbox, which knows what is due."""
        decode_payload(payload, Deliver)
        resources.outbox.notify()


def _declare_upkeep(broker: Broker, resources: CentralResources) -> None:
    @dramatiq.actor(
        broker=broker, queue_name=UPKEEP_QUEUE, max_retries=3, periodic=cron("5 * * * *"),
        time_limit=_ROLL_UP_LIMIT_MS, notify_shutdown=True,
    )  # fmt: skip
    @requeue_on_shutdown
    async def roll_up() -> None:
        await resources.roll_ups.run()

    @dramatiq.actor(
        broker=broker, queue_name=UPKEEP_QUEUE, max_retries=3, periodic=cron("30 0 * * *")
    )
    async def expire_ticks() -> None:
        await resources.tick_upkeep.prepare_and_expire()
        await resources.roll_ups.expire_history()

    @dramatiq.actor(
        broker=broker, queue_name=UPKEEP_QUEUE, max_retries=0, periodic=cron("* * * * *")
    )
    @skip_if_unavailable
    async def write_kept_ticks() -> None:
        await resources.tick_upkeep.write_buffered()


def _declare_expiry(broker: Broker, resources: CentralResources) -> None:
    @dramatiq.actor(
        broker=broker, queue_name=UPKEEP_QUEUE, max_retries=3, periodic=cron("20 * * * *")
    )
    async def expire_imports() -> None:
        assert resources.pool is not None
        await bulk_views.expire(resources.pool)

    @dramatiq.actor(
        broker=broker, queue_name=UPKEEP_QUEUE, max_retries=3, periodic=cron("25 * * * *")
    )
    async def expire_notifications() -> None:
        assert resources.pool is not None
        await outbox.expire(resources.pool)

    @dramatiq.actor(
        broker=broker, queue_name=UPKEEP_QUEUE, max_retries=3, periodic=cron("40 * * * *")
    )
    async def expire_audit() -> None:
        assert resources.pool is not None
        await audit.expire(resources.pool, resources.settings.monitor_audit_days)

    @dramatiq.actor(
        broker=broker, queue_name=UPKEEP_QUEUE, max_retries=3, periodic=cron("*/10 * * * *")
    )
    async def expire_sessions() -> None:
        assert resources.pool is not None
        settings = resources.settings
        lifetime = SessionLifetime.of_days(
            settings.monitor_session_unused_days, settings.monitor_session_days
        )
        await sessions.expire(resources.pool, lifetime)
