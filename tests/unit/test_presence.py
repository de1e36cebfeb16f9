"""Presence of a process without an event loop: what its thread leaves to the main one."""

import signal
import sys
import threading
from pathlib import Path

import pytest

from monitor.services.workers import presence


def blocked(thread: threading.Thread) -> set[int]:
    """The signals that a thread of this process does not take: proc_pid_status(5), SigBlk."""
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text(encoding="ascii")
    (mask,) = (int(line[7:], 16) for line in status.splitlines() if line.startswith("SigBlk:"))
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a thread blocks")
def test_the_alarm_of_the_scheduler_is_left_to_its_main_thread(monkeypatch):
    # given: a thread that says when it is under way
    under_way, done = threading.Event(), threading.Event()

    async def report(_redis, _role):
        under_way.set()
        done.wait(10)

    monkeypatch.setattr(presence, "report", report)
    # when
    presence.report_on_thread("redis://127.0.0.1:1/0", presence.SCHEDULER)
    # then
    assert under_way.wait(10)
    (thread,) = (t for t in threading.enumerate() if t.name == "presence")
    assert signal.SIGALRM in blocked(thread)
    assert signal.SIGALRM not in blocked(threading.main_thread())
    done.set()
