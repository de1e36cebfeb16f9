"""The whole product under load, and then the other programs at the same websites."""

from __future__ import annotations

import tempfile
from pathlib import Path

from . import compare, stores
from .measure import measure
from .options import Options
from .report import Run
from .servers import running_servers
from .watch import say


def run(wanted: Options) -> Run:
    """Measure in a directory of its own. Raises FileNotFoundError, TimeoutError, Failed."""
    say(wanted.describe())
    with (
        tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory,
        running_servers(Path(directory), wanted) as stack,
    ):
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
