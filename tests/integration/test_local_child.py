"""A child is kept running, its output kept in a file, and nothing of it is left at the end."""

import asyncio
import io
import os
import select
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from monitor.domain.errors import MonitorError
from monitor.local import child as under_test
from monitor.local import process
from monitor.local.child import Child
from monitor.local.console import Console

DEADLINE_S = 20
_LOGGED = (
    r'{"event": "worker.failed", "level": "error", "exception": "T:\\n  x\\nE: y"}'
    "\n"
    r'{"event": "dramatiq", "level": "critical"}'
)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(under_test, "FIRST_PAUSE_S", 0.01)


class Kept:
    """A supervised Python program, and what is seen of it."""

    def __init__(self, tmp_path, code):
        self.out = io.StringIO()
        self.log = tmp_path / "it.log"
        self.code = code
        self.started = []
        self.stopping, self.ready = asyncio.Event(), asyncio.Event()
        self.ready.set()
        self.child = Child("it", self.spawn, log=self.log, console=Console(self.out))

    def spawn(self):
        self.started.append(process.start([sys.executable, "-c", self.code], log=subprocess.PIPE))
        return self.started[-1]

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - a foreign process leaves no other way
                await asyncio.sleep(0.01)

    def printed(self):
        return self.log.read_text() if self.log.exists() else ""


def alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@asynccontextmanager
async def running(kept):
    task = asyncio.create_task(kept.child.supervise(kept.stopping, kept.ready))
    try:
        yield
    finally:
        kept.stopping.set()
        kept.child.kill()
        await task


async def test_a_child_that_ends_is_restarted(tmp_path):
    # given
    kept = Kept(tmp_path, "print('famous last words'); raise SystemExit(3)")
    # when
    async with running(kept):
        await kept.until(lambda: len(kept.started) == 3)
    # then
    first = kept.out.getvalue().splitlines()[0]
    assert "ended (exit code 3), starts again in 0 s" in first
    assert first.endswith(f"{kept.log}: famous last words")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('famous last words'); raise SystemExit(3)", "famous last words"),
        ("raise SystemExit(3)", "exit code 3"),
        (
            "raise PermissionError(13, 'Permission denied')",
            "PermissionError: [Errno 13] Permission",
        ),
        (
            f"print('''{_LOGGED}'''); raise SystemExit(3)",
            "E: y",
        ),
        (
            """print('{"event": "it.broke", "level": "error"}'); raise SystemExit(3)""",
            "error: it.broke",
        ),
    ],
)
async def test_a_child_that_never_starts_ends_the_stack_with_its_reason(tmp_path, code, reason):
    # given
    kept = Kept(tmp_path, code)
    kept.ready.clear()
    # when
    with pytest.raises(MonitorError, match="The process 'it' cannot start") as caught:
        await kept.child.supervise(kept.stopping, kept.ready)
    # then
    assert len(kept.started) == 3
    assert f"'{reason}" in str(caught.value)
    assert f"its log is {kept.log}" in str(caught.value)


async def test_a_child_that_ended_before_the_stack_was_ready_may_end_as_often_later(tmp_path):
    # given
    kept = Kept(tmp_path, "")
    kept.ready.clear()
    # when
    async with running(kept):
        await kept.until(lambda: len(kept.started) == 2)
        kept.ready.set()
        # then
        await kept.until(lambda: len(kept.started) == 6)


async def test_pauses_double_up_to_the_limit(tmp_path, monkeypatch):
    # given
    monkeypatch.setattr(under_test, "_LONGEST_PAUSE_S", 0.04)
    pauses = []

    async def noted(_event, pause_s):
        pauses.append(pause_s)
        return False

    monkeypatch.setattr(under_test, "is_set_within", noted)
    kept = Kept(tmp_path, "")
    # when
    async with running(kept):
        await kept.until(lambda: len(pauses) == 5)
    # then
    assert pauses[:5] == [0.01, 0.02, 0.04, 0.04, 0.04]


async def test_the_signal_is_named(tmp_path):
    # given
    kept = Kept(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    # when
    async with running(kept):
        await kept.until(lambda: "SIGSEGV" in kept.out.getvalue())


async def test_its_children_are_killed_with_it(tmp_path):
    # given: a child that leaves a grandchild with its output open
    kept = Kept(
        tmp_path,
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', "
        "'import time; time.sleep(600)']); print(p.pid, flush=True)",
    )
    # when
    async with running(kept):
        await kept.until(lambda: len(kept.started) == 2)
    # then
    await kept.until(lambda: not any(alive(int(pid)) for pid in kept.printed().split()))


async def test_a_child_that_does_not_end_is_killed_with_its_children(tmp_path):
    # given
    kept = Kept(
        tmp_path,
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        "print(p.pid, flush=True); signal.pause()",
    )
    # when
    async with running(kept):
        await kept.until(kept.printed)
        kept.stopping.set()
        kept.child.request_stop()
        await asyncio.sleep(0.1)
        assert alive(kept.started[0].pid)
        kept.child.kill()
    # then
    assert kept.started[0].returncode == -signal.SIGKILL
    await kept.until(lambda: not alive(int(kept.printed())))


async def test_a_long_log_is_rotated(tmp_path, monkeypatch):
    # given
    monkeypatch.setattr(under_test, "_LOG_LIMIT_BYTES", 1000)
    kept = Kept(tmp_path, "import sys, time; sys.stdout.write('x' * 5000 + '\\n')")
    # when
    async with running(kept):
        await kept.until(lambda: len(kept.started) == 3)
    # then
    assert (tmp_path / "it.log.1").stat().st_size == 5001
    assert kept.log.stat().st_size <= 5001


async def test_endless_output_is_logged_but_not_as_one_line(tmp_path, monkeypatch):
    # given
    code = (
        "import sys, signal; sys.stdout.write('x' * 10**6 + '\\n'); sys.stdout.flush(); "
        "signal.pause()"
    )
    kept, heard = Kept(tmp_path, code), []
    monkeypatch.setattr(Console, "show_log", lambda _self, _who, line: heard.append(len(line)))
    # when
    async with running(kept):
        await kept.until(lambda: heard)
    # then
    assert len(kept.printed()) == 10**6 + 1
    assert heard[0] <= 2 * 65_536


def test_a_child_of_a_killed_parent_gets_its_signal(tmp_path):
    # given
    note = tmp_path / "note"
    code = (
        "import sys, signal\n"
        "from monitor.local import process\n"
        "child = process.start([sys.executable, '-c', sys.argv[1], sys.argv[2]], log=None)\n"
        "signal.pause()\n"
    )
    orphan = (
        "import os, pathlib, signal, sys\n"
        "note = pathlib.Path(sys.argv[1])\n"
        "signal.signal(signal.SIGTERM, lambda *_: (note.write_text('told'), sys.exit()))\n"
        "print(os.getpid(), flush=True); signal.pause()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, orphan, str(note)], stdout=subprocess.PIPE
    )
    pid = int(parent.stdout.readline())
    # when
    os.kill(parent.pid, signal.SIGKILL)
    # then: its output ends when the orphan has
    ended, _, _ = select.select([parent.stdout], [], [], DEADLINE_S)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert ended
    assert note.read_text() == "told"
