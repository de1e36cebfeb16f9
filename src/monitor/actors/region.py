"""The actors of a region worker: they check websites."""

from __future__ import annotations

from typing import Any

import dramatiq

from monitor.actors.resources import RegionResources
from monitor.domain.errors import BadMessage
from monitor.domain.messages import CheckBatch, CheckWebsites, checks_queue
from monitor.queue.broker import FIRST_PRIORITY, Broker, send_all
from monitor.queue.handling import decode_payload, requeue_on_shutdown
from monitor.services.checks import check

_TIME_LIMIT_MS = 300_000
"""Far longer than a batch takes: each check ends by its own timeout."""


def declare(broker: Broker, resources: RegionResources) -> None:
    """Declare this region's actors on its own queue and no other."""
    queue = checks_queue(resources.region)
    options: dict[str, Any] = {
        "time_limit": _TIME_LIMIT_MS,
        "notify_shutdown": True,  # at shutdown a batch is requeued, not finished
        "max_retries": 3,
        "min_backoff": 1_000,
        "throws": (BadMessage,),
    }

    @dramatiq.actor(broker=broker, queue_name=queue, **options)
    @requeue_on_shutdown
    async def check_batch(payload: Any) -> None:
        batch = decode_payload(payload, CheckBatch)
        await send_all(await check.check_batch(resources.worker, batch))

    @dramatiq.actor(broker=broker, queue_name=queue, priority=FIRST_PRIORITY, **options)
    @requeue_on_shutdown
    async def check_websites(payload: Any) -> None:
        message = decode_payload(payload, CheckWebsites)
        await send_all(await check.check_websites(resources.worker, message))
