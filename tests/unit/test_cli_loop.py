"""Ctrl-C ends a command, also where the interpreter hears of it and the main thread does not."""

import os
import signal
import subprocess
import sys

import pytest

from monitor.cli.aio import run

UNHEARD = """
import asyncio, os, signal, sys, threading, time
from monitor.cli.aio import run

asleep = threading.Event()

def interrupt():
    asleep.wait()
    time.sleep(0.3)  # nothing tells that the loop has fallen asleep
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    time.sleep(60)

async def work():
    # what wakes the loop otherwise comes too late
    asyncio.get_running_loop().call_later(25, os._exit, 3)
    asleep.set()
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned up", flush=True)

threading.Thread(target=interrupt, daemon=True).start()
try:
    run(work())
    print("slept through it")
except KeyboardInterrupt:
    print("interrupted")
"""

USUAL = UNHEARD.replace("signal.pthread_kill(threading.get_ident(), ", "os.kill(os.getpid(), ")


@pytest.mark.parametrize("code", [UNHEARD, USUAL], ids=["unheard", "usual"])
def test_ctrl_c_ends_a_waiting_command(code):
    """A signal that another thread gets is noted and wakes nobody; so is one that comes when the
    main thread is about to fall asleep, which cannot be brought about at will."""
    # when
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    # then
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "cleaned up\ninterrupted\n"


def test_no_handler_remains_at_the_end():
    async def work():
        return os.getpid()

    # when
    assert run(work()) == run(work()) == os.getpid()
    # then
    assert signal.set_wakeup_fd(-1) == -1
