"""A worker process ends when the process that started it is gone, for whatever reason.

Dramatiq's main process ends its workers when it ends. If it is killed, it cannot: they would go on
beside those that its supervisor starts next, keep their ports, and receive no signal to end.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import select
import signal
import threading
from typing import Any

from dramatiq.middleware import Middleware


class ParentWatchdog(Middleware):
    """Sends this process SIGTERM when its main process ends, as the main process would have."""

    def before_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        main = multiprocessing.parent_process()
        if main is not None:
            threading.Thread(target=_watch, args=(main,), name="parent", daemon=True).start()


def _watch(main: Any) -> None:
    """Wait for the end of the main process, then end this one."""
    if hasattr(os, "pidfd_open"):
        _wait_for_exit(main.pid)
    else:  # not Linux: workers are spawned there, and none holds the others' end of this pipe
        multiprocessing.connection.wait([main.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_exit(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        # If it ended before it was opened, the id may belong to another process by now.
        if os.getppid() == pid:
            poll.poll()
    finally:
        os.close(descriptor)
