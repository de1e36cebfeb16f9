"""What happens when this package is imported: settings, logs, the broker and its actors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import dramatiq
from dramatiq.middleware import ShutdownNotifications, TimeLimit
from periodiq import PeriodiqMiddleware

from monitor.actors import central, region
from monitor.actors.resources import CentralResources, RegionResources, Resources
from monitor.domain.errors import SettingsError
from monitor.queue.broker import Broker
from monitor.queue.middleware.event_loop import EventLoop
from monitor.queue.middleware.metrics_server import MetricsMiddleware, MetricsServer
from monitor.queue.middleware.parent_watchdog import EndWithMain
from monitor.queue.middleware.shared_clock import KeepTime
from monitor.queue.middleware.sigterm_debounce import ToldOnce
from monitor.queue.retries import RetriesOfFailures
from monitor.runtime import logging as logs
from monitor.runtime import process
from monitor.runtime.settings import Settings, load

R = TypeVar("R", bound=Resources)


def set_up() -> Broker:
    """Make this process's broker and declare the actors it serves.

    Ends the process with one sentence where a setting is missing or malformed.
    """
    try:
        settings = load()
        return _scheduler(settings) if _is_scheduler() else _worker(settings)
    except SettingsError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201 - logs are not set up yet
        raise SystemExit(2) from None


def _is_scheduler() -> bool:
    program = Path(sys.argv[0])
    return "periodiq" in (program.name, program.parent.name)


def _scheduler(settings: Settings) -> Broker:
    """periodiq needs the names of the periodic actors and the queue, no database."""
    logs.configure("scheduler", settings.monitor_log_level)
    resources = CentralResources(settings, "scheduler")
    broker = _broker(settings, resources, central.declare)
    for server in _metrics(settings, resources):
        server.start()  # periodiq has no worker whose middleware would
    return broker


def _metrics(settings: Settings, resources: Resources) -> list[MetricsServer]:
    """What serves this process's metrics: nothing where no port is set."""
    if settings.monitor_metrics_port is None:
        return []
    host, port = settings.monitor_metrics_host, settings.monitor_metrics_port
    return [MetricsServer(resources.registry, host, port)]


def _worker(settings: Settings) -> Broker:
    if settings.monitor_region:
        logs.configure(f"worker.{settings.monitor_region}", settings.monitor_log_level)
        regional = RegionResources(settings, settings.monitor_region)
        regional.check()
        process.lower_priority(process.REGION_WORKER_NICENESS)
        return _broker(settings, regional, region.declare)
    logs.configure("worker.central", settings.monitor_log_level)
    resources = CentralResources(settings, "central")
    resources.check()
    return _broker(settings, resources, central.declare)


def _broker(settings: Settings, resources: R, declare: Callable[[Broker, R], None]) -> Broker:
    # Hooks before a thing run in this order, hooks after it in the reverse: the event loop is
    # there before the resources that live on it, and goes after them.
    middleware = [
        EndWithMain(),
        ToldOnce(),
        EventLoop(),
        KeepTime(resources.clock),
        resources.messages,
        resources,
        *map(MetricsMiddleware, _metrics(settings, resources)),
        RetriesOfFailures(),
        PeriodiqMiddleware(),  # knows the option ``periodic``; ages are KeepTime's
        # Off before a retry is queued: that waits for Redis, and an interrupt would lose it.
        TimeLimit(),
        ShutdownNotifications(),
    ]
    broker = Broker(settings.need("REDIS_URL"), middleware)
    dramatiq.set_broker(broker)
    declare(broker, resources)
    return broker
