"""Who lets others go first does so among sessions, too, and lowers nobody else's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.runtime import process

LEADER = "import subprocess, sys; subprocess.run(sys.argv[1:], check=True)"
MAIN = """
import multiprocessing, sys
multiprocessing.set_start_method("spawn")
worker = multiprocessing.Process(target=exec, args=[sys.argv[1]])
worker.start()
worker.join()
"""
LOWERED = """
import os
from monitor.runtime.process import lower_priority
lower_priority(5)
print(os.getpriority(os.PRIO_PROCESS, 0), open("/proc/self/autogroup").read().split()[-1])
"""

autogroups = pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists() or not Path("/proc/self/autogroup").read_text(),
    reason="this system shares the CPU out among processes, not sessions",
)


@pytest.fixture
def forbidden():
    """One that the system refuses."""

    def refuse(*_args, **_more):
        raise PermissionError(1, "Operation not permitted")

    return refuse


def _told(*words, niceness_before=0):
    """The niceness of a process's session after ``lower_priority(5)``; it then has its own, too."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    done = subprocess.run(
        [sys.executable, "-c", *words], start_new_session=True,
        preexec_fn=lambda: os.setpriority(os.PRIO_PROCESS, 0, max(own, niceness_before)),
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    process, session = map(int, done.stdout.split())
    assert process == max(own, niceness_before, 5)
    return session


@autogroups
@pytest.mark.parametrize("words", [(LOWERED,), (MAIN, LOWERED)], ids=["leader", "worker"])
@pytest.mark.parametrize("niceness_before", [0, 7])
def test_a_session_of_its_own_goes_behind_other_sessions(words, niceness_before):
    assert _told(*words, niceness_before=niceness_before) == 5


@autogroups
@pytest.mark.parametrize("between", [1, 2])
def test_a_session_that_somebody_else_works_in_stays_where_it_is(between):
    # given one that was started from a shell, or from a script that a shell started
    words = [LEADER, sys.executable, "-c"] * between
    assert _told(*words, LOWERED) == 0


@autogroups
def test_the_session_of_another_process_goes_behind(monkeypatch):
    # given one that had been refused for two tenths of a second
    written, refused = Path.write_text, []

    def refuse_twice(path, text, **more):
        if len(refused) < 2:
            refused.append(text)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return written(path, text, **more)

    monkeypatch.setattr(Path, "write_text", refuse_twice)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as child:
        # when
        process.lower_session_priority(5, of=child.pid)
        # then
        assert Path(f"/proc/{child.pid}/autogroup").read_text().endswith(" nice 5\n")
        # and it is not raised again
        process.lower_session_priority(3, of=child.pid)
        assert Path(f"/proc/{child.pid}/autogroup").read_text().endswith(" nice 5\n")
        child.stdin.close()


def test_where_it_is_forbidden_the_process_goes_on(monkeypatch, forbidden, capsys):
    # given a system that lets nobody ask, as a filter of system calls does
    monkeypatch.setattr(os, "getpriority", lambda _which, _who: 0)
    monkeypatch.setattr(os, "setpriority", forbidden)
    monkeypatch.setattr(process, "_of_session", forbidden)
    monkeypatch.setattr(os, "getsid", lambda _of: os.getpid())
    # when
    process.lower_priority(5)
    # then it says so
    said = capsys.readouterr().out
    assert "niceness.forbidden" in said
    assert "niceness.session_forbidden" in said


def test_a_system_that_knows_no_such_sessions_is_left_alone(capsys):
    process.lower_session_priority(5, of=0)
    assert capsys.readouterr().out == ""
