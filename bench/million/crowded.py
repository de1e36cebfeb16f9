"""Who waits for whom on a full machine: five minutes.

    python -m bench.million.crowded

Checks SITES websites (120,000) every 30 s and asks the API 30 times a second for 20 s, six times in
turn: with the priority of the workers' and InfluxDB's sessions as it is set, and with all alike. A
program takes the CPU that is left meanwhile, as InfluxDB does while it collects garbage. Prints a
line for each. Linux; where the CPU is shared out among sessions (see monitor.niceness).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from bench import program, seed
from bench.servers import running_servers
from bench.stack import Stack
from bench.watch import Watch, say

from monitor.runtime import process

from . import history, under_load
from .importing import Api
from .judge import told_kind
from .options import REGION, Wanted, read

_DEFAULTS = {"SITES": "120000", "INTERVAL": "30", "FLAT": "0", "API_S": "20", "SEEDED": "300"}
_TURNS = 3
_WARM_UP_S = 75
_HOG = "while True: pass"


@contextmanager
def _hog(nice: int) -> Iterator[None]:
    """A program that takes what CPU is left, in a session of its own."""
    with subprocess.Popen([sys.executable, "-c", _HOG], start_new_session=True) as hog:
        try:
            process.set_session_priority(nice, of=hog.pid)
            yield
        finally:
            hog.kill()


def _turn(wanted: Wanted, watch: Watch, api: Api, ids: list[UUID], nice: int) -> Mapping[str, Any]:
    """Ask while the workers, InfluxDB and the hog have this niceness among sessions."""
    for name in (f"worker.{REGION}", "influxd"):
        process.set_session_priority(nice, of=watch.stack.children[name].pid)
    with _hog(nice):
        return under_load.run(wanted, watch, api, ids, name=f"added-{time.time():.0f}")


def _filled(stack: Stack, wanted: Wanted) -> tuple[Api, list[UUID]]:
    seed.insert_regions(stack)
    seed.insert_websites(stack)
    seed.sync(stack)
    stack.start_products()
    api = Api(stack)
    return api, history.seed(stack, wanted.seeded)


def main() -> None:
    """Raises ValueError, FileNotFoundError, TimeoutError, Failed."""
    wanted = read(_DEFAULTS | os.environ)
    with (
        tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory,
        running_servers(Path(directory), wanted.large()) as stack,
    ):
        api, ids = _filled(stack, wanted)
        stack.start_scheduler()
        watch = Watch(stack)
        watch.wait(time.time() + _WARM_UP_S, "warming up")
        for nice in (0, process.REGION_WORKER_NICENESS) * _TURNS:
            found = _turn(wanted, watch, api, ids, nice)
            kinds = ("page", "series", "create")
            say(f"niceness {nice}: " + "; ".join(f"{k} {told_kind(found[k])}" for k in kinds))


if __name__ == "__main__":
    sys.exit(program.run(main))
