"""This process among others: its priority, its garbage collection, its open files."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import time
from pathlib import Path

from monitor.runtime.logging import get_logger

log = get_logger(__name__)

REGION_WORKER_NICENESS = 5
"""It can use up any machine, and API, stores and mails must not be slow for that: where they share
one, what people wait for has three times its weight."""

_TRIES, _AGAIN_AFTER_S = 20, 0.1
"""Linux takes one such change in a tenth of a second, whoever on the machine asks for it."""


def lower_priority(niceness: int) -> None:
    """Give this process, and the threads and children it makes from now on, at least this niceness.

    Its session gets it, too, where this process leads it, or the one that made this one by
    multiprocessing, as Dramatiq's main process makes its workers; see ``lower_session_priority``.
    Where the system forbids it, a warning says so. Call it before there are threads: on Linux each
    has a niceness of its own.
    """
    try:
        if os.getpriority(os.PRIO_PROCESS, 0) < niceness:
            os.setpriority(os.PRIO_PROCESS, 0, niceness)
    except OSError as error:
        log.warning("niceness.forbidden", error=str(error))
    main = multiprocessing.parent_process()
    if os.getsid(0) in (os.getpid(), main and main.pid):
        lower_session_priority(niceness)


def lower_session_priority(niceness: int, of: int | str = "self") -> None:
    """Give the session of this process at least this niceness among sessions.

    Linux shares the CPU out among sessions first, and a process's niceness counts for its part of
    its own session's share alone (sched(7), "The autogroup feature"). There is nothing to do where
    the feature is off, or the system is another. In a control group of the CPU controller, as of a
    container or of a unit with a weight, sessions count for nothing.
    """
    path = _path(of)
    try:
        if _of_session(path) < niceness:
            set_session_priority(niceness, of)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        log.warning("niceness.session_forbidden", error=str(error))


def set_session_priority(niceness: int, of: int | str = "self") -> None:
    """Give the session of this process this niceness among sessions. Raises OSError, ValueError."""
    path = _path(of)
    for _ in range(_TRIES):
        try:
            path.write_text(str(niceness), encoding="ascii")
        except BlockingIOError:
            time.sleep(_AGAIN_AFTER_S)
        if _of_session(path) == niceness:
            return
    path.write_text(str(niceness), encoding="ascii")


def _path(of: int | str) -> Path:
    return Path(f"/proc/{of}/autogroup")


def _of_session(path: Path) -> int:
    """From ``/autogroup-25 nice 0``. Raises FileNotFoundError where there is nothing in it."""
    words = path.read_text(encoding="ascii").split()
    if not words:
        raise FileNotFoundError(path)
    return int(words[-1])


def collect_garbage_rarely() -> None:
    """To be called once all is imported and before the work begins.

    Checks and requests leave few cycles behind, and looking for them after every 700 objects was
    a quarter of a worker's time and the longest hold-ups of the API (docs/performance.md). What
    was loaded until now is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def raise_open_files_limit() -> int:
    """Raise the soft limit to the hard one, as each socket is a file, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
