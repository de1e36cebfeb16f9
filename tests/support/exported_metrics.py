"""Every metric of ours, as it would be exported, as JSON: {name: [type, labels]}.

Run as a process of its own: importing the actors sets a process up.
"""

import json
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from monitor.actors.resources import CentralResources
from monitor.api.connections import Connections
from monitor.api.metrics.access import AccessMetrics
from monitor.api.metrics.installation import InstallationMetrics
from monitor.api.metrics.requests import RequestMetrics
from monitor.domain.capacity import Load, WorkerLimits, add_up
from monitor.domain.outcome import Outcome, Result
from monitor.metrics.worker_metrics import ProcessMetrics, WorkerMetrics
from monitor.metrics.worker_stats import Meter
from monitor.queue.middleware.message_metrics import MessageMetrics
from monitor.runtime.settings import load
from monitor.services.workers.installation import (
    CENTRAL_QUEUES,
    Installation,
    PostgresView,
    RedisView,
    RegionView,
)
from monitor.storage.postgres.counts import Figures
from monitor.storage.postgres.rolled_up_days import DaysDone
from monitor.storage.redis.queues import QueueDepth
from monitor.storage.redis.regions import RegionReport
from monitor.storage.redis.tick_buffer import BufferSize

DEPTH = QueueDepth(1, 1, 1, 1, 1.0)


def _installation():
    load_of_one = add_up([(WorkerLimits(1, 1), Load(1.0, 1.0, 1.0))])
    region = RegionView("europe", DEPTH, {60: 1}, RegionReport(1), load_of_one, {})
    redis = RedisView([region], dict.fromkeys(CENTRAL_QUEUES, DEPTH), BufferSize(1, 1), 1.0)
    return Installation(
        PostgresView(Figures(1, 1, 1.0, 1, 1, 1, 1.0, 1, 1.0, 1), [], DaysDone(1, 1)), redis
    )


def _families():
    meter, messages_only, requests = Meter(), CollectorRegistry(), CollectorRegistry()
    meter.settled([Outcome(Result.UP, response_ms=1.0)], 0, 0.0)
    messages = MessageMetrics(messages_only)
    messages._ended.labels("a", "done")
    messages._seconds.labels("a")
    messages._in_progress.labels("a")
    messages._queued.labels("a")
    Connections(requests)
    RequestMetrics(requests)._seconds.labels("/", "GET", "2xx")
    AccessMetrics(requests)
    central = CentralResources(load({}, Path("/nonexistent")), "central").registry
    yield from InstallationMetrics(_installation()).collect()
    meter.dropped_points("refused", 1)
    yield from ProcessMetrics("central", meter).collect()
    yield from WorkerMetrics("europe", meter, 1, lambda: 0, lambda: 0).collect()
    for registry in (messages_only, requests, central):
        yield from registry.collect()


def exported():
    found = {}
    for family in _families():
        if family.name.startswith("monitor_") and family.samples:
            name = family.name + ("_total" if family.type == "counter" else "")
            found[name] = (family.type, [n for n in family.samples[0].labels if n != "le"])
    return found


if __name__ == "__main__":
    json.dump(exported(), sys.stdout)
