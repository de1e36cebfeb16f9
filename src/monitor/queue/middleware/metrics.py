"""A worker process serves its metrics while it works."""

from __future__ import annotations

from typing import Any

from dramatiq.middleware import Middleware

from monitor.metrics.server import MetricsServer


class Metrics(Middleware):
    """Starts the server of /metrics once the worker has booted, and stops it with the worker."""

    def __init__(self, server: MetricsServer) -> None:
        self._server = server

    def after_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        self._server.start()

    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        self._server.stop()
