"""What happens when this package is imported: settings, logs, the broker and its actors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from monitor.actors import central, region
from monitor.actors.resources import CentralResources, RegionResources, Resources
from monitor.domain.errors import SettingsError
from monitor.metrics.server import MetricsServer
from monitor.queue.broker import Broker
from monitor.queue.setup import set_broker
from monitor.runtime import logging, process
from monitor.runtime.settings import Settings, load
from monitor.services.workers import presence

R = TypeVar("R", bound=Resources)


def set_up() -> Broker:
    """Make this process's broker and declare the actors it serves.

    Ends the process with one sentence if a setting is missing or malformed.
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
    logging.configure("scheduler", settings.monitor_log_level)
    resources = CentralResources(settings, "scheduler")
    broker = _broker(settings, resources, central.declare)
    server = _metrics_server(settings, resources)
    # periodiq has no worker whose middleware or resources would do these.
    if server is not None:
        server.start()
    presence.report_on_thread(settings.need("REDIS_URL"), presence.SCHEDULER)
    return broker


def _metrics_server(settings: Settings, resources: Resources) -> MetricsServer | None:
    """The server of this process's metrics, if MONITOR_METRICS_PORT is set."""
    if settings.monitor_metrics_port is None:
        return None
    host, port = settings.monitor_metrics_host, settings.monitor_metrics_port
    return MetricsServer(resources.registry, host, port)


def _worker(settings: Settings) -> Broker:
    if settings.monitor_region:
        logging.configure(f"worker.{settings.monitor_region}", settings.monitor_log_level)
        regional = RegionResources(settings, settings.monitor_region)
        regional.check()
        process.lower_priority(process.REGION_WORKER_NICENESS)
        return _broker(settings, regional, region.declare)
    logging.configure("worker.central", settings.monitor_log_level)
    resources = CentralResources(settings, "central")
    resources.check()
    return _broker(settings, resources, central.declare)


def _broker(settings: Settings, resources: R, declare: Callable[[Broker, R], None]) -> Broker:
    broker = set_broker(
        settings.need("REDIS_URL"),
        resources,
        resources.clock,
        resources.messages,
        _metrics_server(settings, resources),
    )
    declare(broker, resources)
    return broker
