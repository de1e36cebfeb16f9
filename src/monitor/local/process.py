"""Child processes that end with us: each in its own group, signalled once, then killed."""

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
    """Start a child in its own session, so that Ctrl-C reaches only us and we signal it once.

    On Linux the child gets ``orphan_signal`` if we die first. The calling thread counts as its
    parent: call this from a thread that stays alive.
    ``log``: a file or ``subprocess.PIPE`` for its output. ``user``: a numeric user id to run as,
    without supplementary groups. ``keep_open``: descriptors that the child inherits.
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
    child: subprocess.Popen[bytes], *, stop_signal: signal.Signals = signal.SIGTERM, within_s: float
) -> None:
    """Signal a child to end, wait, and after ``within_s`` seconds kill its whole group."""
    send_signal(child, stop_signal)
    finish(child, within_s=within_s)


def send_signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a child a signal. A child that ended keeps its id until it is waited for.

    Popen.send_signal would wait for it first, and its group could no longer be killed.
    """
    if child.returncode is None:
        os.kill(child.pid, number)


def finish(child: subprocess.Popen[bytes], *, within_s: float) -> None:
    """Wait for a child that was signalled; kill what is left of its group."""
    _wait_unreaped(child, max(within_s, 0.01))
    kill_group(child)
    child.wait()


def _wait_unreaped(child: subprocess.Popen[bytes], within_s: float) -> None:
    """Wait for the child to end, at most this long, without releasing its id."""
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

    Only before the child has been waited for: afterwards its id, which is also the group's, may
    already be reused.
    """
    if child.returncode is not None:
        return
    # None left, or (not on Linux) only zombies: either way there is nothing to kill.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
