"""One process of the product, with no settings but those given."""

import os
import sys
import sysconfig
import time
from contextlib import contextmanager
from pathlib import Path

from monitor.local import process
from monitor.runtime.settings import TABLE

_SCRIPTS = Path(sysconfig.get_path("scripts"))


def worker(threads=2):
    return (
        "dramatiq", "monitor.actors", "--skip-logging", "--processes", "1", "--threads",
        str(threads),
    )  # fmt: skip


def command(words):
    return [sys.executable, "-P", _SCRIPTS / words[0], *words[1:]]


def environment(settings):
    return dict(os.environ) | {s.name: "" for s in TABLE} | settings


@contextmanager
def running(words, log, **settings):
    """The process for the length of a block; its output goes to the file ``log``."""
    with log.open("wb") as file:
        child = process.start(command(words), log=file, env=environment(settings), cwd=log.parent)
    try:
        yield child
    finally:
        process.stop(child, within_s=10)


def until(condition, within_s=90):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # another process tells nothing but what it is asked
