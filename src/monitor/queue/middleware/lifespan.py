"""What a worker process holds open, opened before it takes messages and closed after the last."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from dramatiq.middleware import Middleware

from monitor.domain.errors import Unavailable
from monitor.queue.middleware.event_loop import run_on_event_loop
from monitor.runtime.logging import get_logger

log = get_logger(__name__)


class Resources(Protocol):
    """What is opened and closed on the worker's event loop."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Lifespan(Middleware):
    """Opens the resources when the worker boots, closes them after it has shut down.

    If either fails, the process exits with 1: Dramatiq would only log the error and go on with a
    worker that cannot work.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def before_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        _run_or_exit(self._resources.open)

    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        _run_or_exit(self._resources.close)


def _run_or_exit(step: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        run_on_event_loop(step())
    except Unavailable as error:
        log.error("worker.resources_failed", error=str(error))  # noqa: TRY400 - its words say all
        raise SystemExit(1) from None
    except Exception:
        log.exception("worker.resources_failed")
        raise SystemExit(1) from None
