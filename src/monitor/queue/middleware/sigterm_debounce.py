"""A second SIGTERM right after the first one does not end a worker at once.

A signal to a whole process group (a shell's `kill %1`, `timeout`, systemd's default KillMode)
reaches a worker twice: directly, and forwarded by Dramatiq's main process. Dramatiq takes the
second one as an order to exit at once: the messages that the worker held would only come back
when its heartbeat is missed.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from dramatiq.middleware import Middleware

_DEBOUNCE_S = 3.0
"""On a busy machine the main process forwards a signal up to this late; a graceful shutdown takes
about as long."""


class SigtermDebounce(Middleware):
    """Ignores a SIGTERM that comes soon after the first one."""

    def before_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        handler = signal.getsignal(signal.SIGTERM)
        # Outside of Dramatiq's own processes there is no handler, or no right to replace it.
        if callable(handler) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _debounced(handler))


def _debounced(handler: Callable[..., Any]) -> Callable[..., Any]:
    first_s: float | None = None

    def on_signal(*arguments: Any) -> None:
        nonlocal first_s
        now_s = time.monotonic()
        if first_s is None or now_s - first_s > _DEBOUNCE_S:
            first_s = now_s if first_s is None else first_s
            handler(*arguments)

    return on_signal
