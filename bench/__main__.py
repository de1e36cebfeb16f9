"""`make bench`: the whole product under load on this machine, and others at the same websites."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from . import compare, options, report, stores
from .measure import measure
from .options import Options
from .report import Run
from .servers import running_servers
from .stack import Failed
from .watch import say

RESULT = Path(__file__).parent / "results" / "latest.json"


def main() -> int:
    """Measure, print, keep; returns the exit code."""
    signal.signal(signal.SIGTERM, interrupt)
    allow_many_sockets()
    try:
        wanted = options.read(os.environ)
        say(wanted.describe())
        with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory:
            found = report.result(_run(Path(directory), wanted))
    except (ValueError, FileNotFoundError, Failed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    report.write(found, RESULT)
    print(report.table(found, wanted.describe()))
    print(f"\nAll figures: {RESULT}")
    return 0


def _run(directory: Path, wanted: Options) -> Run:
    with running_servers(directory, wanted) as stack:
        measured = measure(stack)
        stack.stop_products()
        others = {
            "bare_aiohttp": _told("bare aiohttp", compare.bare_aiohttp(stack)),
            "wrk": _told("wrk", compare.wrk(stack)),
            "blackbox": _told("prometheus-blackbox-exporter", compare.blackbox(stack)),
        }
        return Run(wanted, measured, others, stores.ticks(stack), stores.tick_bytes(stack))


def _told(name: str, other: compare.Other | None) -> compare.Other | None:
    if other is None:
        say(f"{name} is not installed: left out")
    else:
        say(f"{name}: {other.cpu_us:.1f} us of CPU a request")
    return other


def allow_many_sockets() -> None:
    """The soft limit of open files, which children inherit, to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Told to end, as by Ctrl-C: everything that was started is ended on the way out."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
