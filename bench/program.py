"""How a measurement runs as a program: many sockets, one-sentence errors, nothing left behind."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from subprocess import CalledProcessError
from types import FrameType

from monitor.runtime import process

from .stack import Failed


def run(measure: Callable[[], None]) -> int:
    """Measure; returns the exit code. Told to end, everything that was started is ended first."""
    signal.signal(signal.SIGTERM, _interrupt)
    process.raise_open_files_limit()  # children inherit it
    try:
        measure()
    except (ValueError, FileNotFoundError, TimeoutError, Failed, CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
