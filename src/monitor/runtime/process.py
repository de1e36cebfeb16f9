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
"""A region worker can use up any machine. Where API, stores or central workers share it, they get
three times the weight, so that people do not wait for checks."""

_ATTEMPTS, _RETRY_AFTER_S = 20, 0.1
"""Linux accepts one such change every tenth of a second on the whole machine."""


def lower_priority(niceness: int) -> None:
    """Give this process, and its future threads and children, at least this niceness.

    Its session gets it, too, if it is led by this process or by its multiprocessing parent (such
    as Dramatiq's main process); see ``lower_session_priority``. If the system forbids it, a warning
    is logged. Call it before starting threads: on Linux each has a niceness of its own.
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

    Linux divides the CPU among sessions first; the niceness of a process only counts within the
    share of its session (sched(7), "The autogroup feature"). Does nothing if the feature is off or
    the system is not Linux. Within a control group of the CPU controller, as of a container or a
    systemd unit with a weight, sessions do not count.
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
    for _ in range(_ATTEMPTS):
        try:
            path.write_text(str(niceness), encoding="ascii")
        except BlockingIOError:
            time.sleep(_RETRY_AFTER_S)
        if _of_session(path) == niceness:
            return
    path.write_text(str(niceness), encoding="ascii")


def _path(of: int | str) -> Path:
    return Path(f"/proc/{of}/autogroup")


def _of_session(path: Path) -> int:
    """From ``/autogroup-25 nice 0``. Raises FileNotFoundError if it is empty."""
    words = path.read_text(encoding="ascii").split()
    if not words:
        raise FileNotFoundError(path)
    return int(words[-1])


def collect_garbage_rarely() -> None:
    """Call it once everything is imported and before the work begins.

    Checks and requests leave few cycles behind, and collecting after every 700 objects took a
    quarter of a worker's time and caused the longest pauses of the API (docs/performance.md).
    What is loaded by now is never scanned again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def raise_open_files_limit() -> int:
    """Raise the soft limit to the hard one, and return it: each socket is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
