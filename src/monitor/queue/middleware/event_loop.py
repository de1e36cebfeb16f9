"""The event loop of a worker process: uvloop, on a thread that never keeps the process alive."""

from __future__ import annotations

import logging
from typing import Any

import uvloop
from dramatiq.asyncio import EventLoopThread, get_event_loop_thread, set_event_loop_thread
from dramatiq.middleware import Middleware

from monitor.runtime import process


class _Thread(EventLoopThread):
    """A second SIGTERM makes a worker call sys.exit: a thread that is no daemon would hang it."""

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
