"""A worker that is told to end, and at once again, ends as if it was told once.

A signal to a whole process group (a shell's `kill %1`, `timeout`, systemd's default KillMode)
reaches a worker twice: by itself, and passed on by Dramatiq's main process. Dramatiq takes the
second one for an order to drop everything: what the worker held would come back only when it is
missed.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from dramatiq.middleware import Middleware

_THE_SAME_WITHIN_S = 3.0
"""A main process that has little of a busy CPU passes a signal on so much later; an end in good
order takes about as long."""


class ToldOnce(Middleware):
    """Takes a SIGTERM that comes soon after the first one for the same."""

    def before_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        handler = signal.getsignal(signal.SIGTERM)
        # Where it is no process of Dramatiq's, there is no handler, or no right to change it.
        if callable(handler) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _once(handler))


def _once(handler: Callable[..., Any]) -> Callable[..., Any]:
    told_s: float | None = None

    def told(*arguments: Any) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if told_s is None or now_s - told_s > _THE_SAME_WITHIN_S:
            told_s = now_s if told_s is None else told_s
            handler(*arguments)

    return told
