"""`make bench`: the whole product under load on this machine, and others at the same websites."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from . import compare, options, program, report, stores
from .measure import measure
from .options import Options
from .report import Run
from .servers import running_servers
from .watch import say

RESULT = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """Measure, print, keep. Raises ValueError, FileNotFoundError, Failed."""
    wanted = options.read(os.environ)
    say(wanted.describe())
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory:
        found = report.result(_run(Path(directory), wanted))
    report.write(found, RESULT)
    print(report.table(found, wanted.describe()))
    print(f"\nAll figures: {RESULT}")


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


if __name__ == "__main__":
    sys.exit(program.run(main))
