"""Dramatiq and periodiq go by the time of the installation instead of the host's."""

from __future__ import annotations

from typing import Any

import dramatiq.brokers.redis
import dramatiq.worker
from dramatiq.middleware import Middleware, SkipMessage

from monitor.services.workers.clock import SharedClock

SKIP_AFTER_S = 55
"""A periodic message that waited longer is skipped: the next one is about to come."""

_QUEUED_S = "queued_s"


class SharedClockMiddleware(Middleware):
    """Makes delayed and periodic messages go by one clock.

    Otherwise a worker whose host is an hour ahead would make all delayed messages due at once and
    skip what the scheduler sends; one that is behind would hold back messages for an hour.
    """

    def __init__(self, clock: SharedClock) -> None:
        self._clock = clock

    def before_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        # The two places where Dramatiq compares times of other hosts; it offers no other way.
        dramatiq.worker.current_millis = self._clock.now_ms  # type: ignore[attr-defined]
        dramatiq.brokers.redis.current_millis = self._clock.now_ms  # type: ignore[attr-defined]

    def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Date a periodic message by Redis when the scheduler sends it."""
        if "scheduled_at" in message.options:
            seconds, micros = broker.client.time()
            message.options[_QUEUED_S] = seconds + micros / 1e6
            del message.options["scheduled_at"]

    def before_process_message(self, broker: Any, message: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        queued_s = message.options.get(_QUEUED_S)
        if queued_s is not None and self._clock.now() - queued_s > SKIP_AFTER_S:
            raise SkipMessage(f"{message.actor_name} waited for more than {SKIP_AFTER_S} s")
