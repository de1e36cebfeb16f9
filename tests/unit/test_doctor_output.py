"""What `monitor doctor` prints for people, and that it ends in time."""

import re
import subprocess
import sys

import pytest

from monitor.cli import doctor
from monitor.services.doctor.finding import Finding, State

LONG = "one word after the other until it is longer than a line can be, and then some more of them"
FINDINGS = [
    Finding("settings", State.OK, "12 are set"),
    Finding("redis", State.FAILED, LONG, LONG),
    Finding("email", State.WARNING, "\x1b[2Jforged\nok  all", "look"),
    Finding("disk", State.SKIPPED, "none here"),
]


@pytest.fixture
def terminal(monkeypatch):
    """One of 80 columns."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_terminal_gets_aligned_columns_of_its_width_and_colours(terminal):
    # when
    lines = "\n".join(doctor._lines(FINDINGS)).splitlines()
    plain = [re.sub(r"\x1b\[\d+m", "", line) for line in lines]
    # then
    assert max(map(len, plain)) <= 80
    assert plain[0] == "ok       settings       12 are set"
    assert plain[1].startswith("failed   redis          one word after")
    assert plain[2][:25].strip() == plain[2][24]
    assert next(line for line in plain if "→" in line).startswith(" " * 24 + "→ one word")
    assert [lines[0][:5], lines[1][:5]] == ["\x1b[32m", "\x1b[31m"]
    assert plain[-1] == "1 failed, 1 warning: see what to do above."


def test_no_colour_where_none_is_wanted(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "\n".join(doctor._lines(FINDINGS))


def test_a_pipe_gets_one_line_each_and_nothing_forged(monkeypatch):
    # given
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    # when
    lines = "\n".join(doctor._lines(FINDINGS)).splitlines()
    # then
    assert lines[1] == f"failed   redis          {LONG}"
    assert lines[2] == " " * 24 + f"→ {LONG}"
    assert lines[3] == r"warning  email          \x1b[2Jforged\nok  all"
    assert len(lines) == 8


def test_a_call_that_hangs_keeps_no_command_from_ending():
    # given: as getaddrinfo(3) does where no DNS server answers
    code = """
import asyncio, time
from monitor.runtime.daemon_threads import DaemonThreads

async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(DaemonThreads())
    print(await loop.run_in_executor(None, lambda: 7))
    try:
        await loop.run_in_executor(None, lambda: int("x"))
    except ValueError:
        print("raised")
    try:
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 600), 0.1)
    except TimeoutError:
        print("late")

asyncio.run(main())
"""
    # when
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    # then
    assert (done.stdout.split(), done.stderr) == (["7", "raised", "late"], "")
