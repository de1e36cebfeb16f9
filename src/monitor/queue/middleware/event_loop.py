"""The event loop of a worker process: uvloop, on a thread that never keeps the process alive."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any

import uvloop
from dramatiq.asyncio import EventLoopThread, get_event_loop_thread, set_event_loop_thread
from dramatiq.middleware import Middleware

from monitor.runtime import process


class _Thread(EventLoopThread):
    """A daemon: a second SIGTERM makes a worker call sys.exit, which other threads would hang."""

    def __init__(self) -> None:
        super().__init__(logging.getLogger(__name__))
        self.daemon = True
        self.loop.close()
        self.loop = uvloop.new_event_loop()


class EventLoop(Middleware):
    """Runs the loop that Dramatiq's async actors run on; one per worker process."""

    def before_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        process.raise_open_files_limit()
        process.collect_garbage_rarely()
        thread = _Thread()
        thread.start(timeout=5.0)
        set_event_loop_thread(thread)

    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        thread = get_event_loop_thread()
        if thread is not None:
            thread.stop()  # type: ignore[no-untyped-call] # Dramatiq's
            set_event_loop_thread(None)


def run_on_event_loop(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the worker's event loop, from another thread, and wait for its end."""
    thread = get_event_loop_thread()
    assert thread is not None
    thread.run_coroutine(coroutine)
