"""The systems of the fault tests leave no process behind, whatever a test did to them."""

import signal
import subprocess

import pytest

from monitor.local import process
from support.system import System

_DEAF = "trap '' TERM; echo ready; while :; do sleep 60; done"


@pytest.fixture
def system(tmp_path):
    made = System(tmp_path, environment={}, api=None, mailbox=None)
    yield made
    for child in made.children.values():
        process.finish(child, within_s=0)


def _start(system, name, *command):
    system.children[name] = process.start(command, log=subprocess.DEVNULL)
    return system.children[name]


def _start_deaf(system, name):
    """A process that does not end when it is told to."""
    child = process.start(["sh", "-c", _DEAF], log=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    child.stdout.close()
    system.children[name] = child
    return child


def test_closing_ends_every_process_also_beside_one_that_is_gone(system):
    # given one that has ended and was waited for, one that is paused, and an ordinary one
    gone = _start(system, "gone", "true")
    gone.wait(10)
    paused = _start(system, "paused", "sleep", "60")
    system.pause("paused")
    other = _start(system, "other", "sleep", "60")
    # when
    system.close()
    # then
    assert (gone.returncode, paused.returncode) == (0, -signal.SIGTERM)
    assert other.returncode == -signal.SIGTERM


@pytest.mark.parametrize("how", ["end", "stop"])
def test_a_process_that_does_not_end_in_time_is_ended_with_the_system(system, how):
    child = _start_deaf(system, "deaf")
    with pytest.raises(subprocess.TimeoutExpired):
        getattr(system, how)("deaf", within_s=0.1)
    # when
    system.close(within_s=0.1)
    # then
    assert child.returncode == -signal.SIGKILL


def test_a_process_is_told_again_only_while_it_is_there(system):
    _start(system, "quick", "sleep", "60")
    assert system.end("quick", times=2, apart_s=20) < 10
    assert system.children == {}
