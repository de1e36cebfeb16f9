"""A worker that shuts down stops waiting for messages and takes no more."""

from __future__ import annotations

from typing import Any

from dramatiq.middleware import Middleware

from monitor.queue.listener import Listener


class StopListener(Middleware):
    """Stops the listener when the worker begins to shut down."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def before_worker_shutdown(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        self._listener.stop()
