"""The broker of a process, with all middleware in its order."""

from __future__ import annotations

import dramatiq
from dramatiq.middleware import Middleware, ShutdownNotifications, TimeLimit
from periodiq import PeriodiqMiddleware

from monitor.metrics.server import MetricsServer
from monitor.queue.broker import Broker
from monitor.queue.middleware.event_loop import EventLoop
from monitor.queue.middleware.lifespan import Lifespan, Resources
from monitor.queue.middleware.message_metrics import MessageMetrics
from monitor.queue.middleware.metrics import Metrics
from monitor.queue.middleware.parent_watchdog import ParentWatchdog
from monitor.queue.middleware.shared_clock import SharedClockMiddleware
from monitor.queue.middleware.sigterm_debounce import SigtermDebounce
from monitor.queue.retries import FailureRetries
from monitor.services.workers.clock import SharedClock


def set_broker(
    redis_url: str,
    resources: Resources,
    clock: SharedClock,
    messages: MessageMetrics,
    metrics_server: MetricsServer | None,
) -> Broker:
    """Make the broker that this process's actors are declared on."""
    # Hooks before a step run in this order, hooks after it in the reverse: the event loop is there
    # before the resources that live on it, and goes after them.
    middleware: list[Middleware] = [
        ParentWatchdog(),
        SigtermDebounce(),
        EventLoop(),
        SharedClockMiddleware(clock),
        messages,
        Lifespan(resources),
        *([Metrics(metrics_server)] if metrics_server else []),
        FailureRetries(),
        PeriodiqMiddleware(),  # for the option ``periodic``; SharedClockMiddleware skips old ones
        # Off before a retry is queued: that waits for Redis, and an interrupt would lose it.
        TimeLimit(),
        ShutdownNotifications(),
    ]
    broker = Broker(redis_url, middleware)
    dramatiq.set_broker(broker)
    return broker
