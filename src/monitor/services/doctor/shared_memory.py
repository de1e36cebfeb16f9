"""Whether worker processes can share memory: Dramatiq's main process cannot start without."""

from __future__ import annotations

import errno
import multiprocessing
from ctypes import c_int

from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report

_REPORT = Report("shared memory")
_WHERE = "/dev/shm"  # noqa: S108 - that is its name


def look() -> Finding:
    """Make what Dramatiq's main process makes before its workers: a shared value and an event."""
    context = multiprocessing.get_context("fork")
    try:
        context.Value(c_int)
        context.Event()
    except (OSError, ImportError) as error:  # the latter where the system has no semaphores
        return judge(error)
    return judge(None)


def judge(error: Exception | None) -> Finding:
    """The finding for an error, or for none. Pure."""
    if error is None:
        return _REPORT.ok(f"workers can make semaphores ({_WHERE})")
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOSPC:
        return _REPORT.failed(
            f"{_WHERE} is full, so no worker can start",
            "remove what fills it, or make it larger (Docker: `--shm-size 64m`)",
        )
    why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
    return _REPORT.failed(
        f"Workers cannot make semaphores in {_WHERE} ({why}), so none can start",
        "mount a tmpfs there with mode 1777, which every user may write to (Docker: "
        f"`--tmpfs {_WHERE}:mode=1777`, or `--shm-size 64m` without a mount over it)",
    )


async def _check(_: Context) -> Finding:
    return look()


CHECK = Check(_REPORT, _check)
