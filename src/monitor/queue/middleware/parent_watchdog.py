"""A worker process ends when the process that started it is gone, however that went.

Dramatiq's main process tells its own to end. Killed, it tells nobody: its workers would go on
beside those that its supervisor starts next, keep their ports, and hear no signal to end.
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


class EndWithMain(Middleware):
    """Tells this process to end, as the main process would have."""

    def before_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        main = multiprocessing.parent_process()
        if main is not None:
            threading.Thread(target=_watch, args=(main,), name="main", daemon=True).start()


def _watch(main: Any) -> None:
    """Wait for the main process's end, then tell ourselves."""
    if hasattr(os, "pidfd_open"):
        _await_end(main.pid)
    else:  # not Linux: workers are spawned there, and none holds the others' end of this pipe
        multiprocessing.connection.wait([main.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _await_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        # Should it have ended before it was opened, the id may be somebody else's by now.
        if os.getppid() == pid:
            poll.poll()
    finally:
        os.close(descriptor)
