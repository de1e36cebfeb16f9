"""Child processes that end with us: each in a group of its own, told once, then killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1  # prctl(2), Linux


def start(
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | int | None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: int | None = None,
    orphan_signal: signal.Signals = signal.SIGTERM,
    keep_open: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child in its own session, so that Ctrl-C reaches us alone and we tell it once.

    Where the system can (Linux), the child gets ``orphan_signal`` should we die untimely. It
    counts the thread that calls this as its parent: call it from one that stays.
    ``log``: a file or ``subprocess.PIPE`` for what it prints. ``user``: a numeric user id to run
    as, without supplementary groups. ``keep_open``: descriptors that the child inherits.
    """
    return subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log is not None else None,
        env=dict(env) if env is not None else None,
        cwd=cwd,
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        pass_fds=keep_open,
        preexec_fn=_tied_to_parent(orphan_signal),  # noqa: PLW1509 - one prctl call, no locks
    )


def _tied_to_parent(orphan_signal: signal.Signals) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, orphan_signal.value)
        if os.getppid() != parent:
            os.kill(os.getpid(), orphan_signal)

    return tie


def stop(
    child: subprocess.Popen[bytes], *, ask_with: signal.Signals = signal.SIGTERM, within_s: float
) -> None:
    """Ask a child to end, wait, and after ``within_s`` seconds kill its whole group."""
    tell(child, ask_with)
    finish(child, within_s=within_s)


def tell(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a child a signal. One that ended keeps its id until we have waited for it.

    Popen.send_signal would wait for it first, and its group could no longer be named.
    """
    if child.returncode is None:
        os.kill(child.pid, number)


def finish(child: subprocess.Popen[bytes], *, within_s: float) -> None:
    """Wait for a child that was told to end; kill what is left of its group."""
    _wait_unreaped(child, max(within_s, 0.01))
    kill_group(child)
    child.wait()


def _wait_unreaped(child: subprocess.Popen[bytes], within_s: float) -> None:
    """Wait for the child's end, or so many seconds, and leave its id taken."""
    if child.returncode is None and hasattr(os, "pidfd_open"):
        descriptor = os.pidfd_open(child.pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(within_s * 1000)
        finally:
            os.close(descriptor)
    elif child.returncode is None:  # not Linux: the id may be free afterwards
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(within_s)


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a child's process group.

    Only before the child was waited for: then its id, which is the group's, may be somebody
    else's already.
    """
    if child.returncode is not None:
        return
    # None left, or (not on Linux) only zombies: either way there is nothing to kill.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
