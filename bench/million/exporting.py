"""All websites out over the API, as NDJSON and as CSV, and what that takes: two minutes.

    python -m bench.million.exporting

Puts SITES websites (a million) into Postgres and exports them with `monitor export`. Prints a line
for each format: how long it took, the CPU time of the API and of Postgres, and by how much the
memory of the API grew at most. No check runs. Linux.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench import proc, program, seed
from bench.servers import running_servers
from bench.stack import Failed, Stack
from bench.watch import Watch, say

from .importing import Api
from .options import read

_DEFAULTS = {"FLAT": "0"}
_FORMATS = ("ndjson", "csv")
_WITHIN_S = 1800.0
_MIB = 2**20


@dataclass
class ApiMemory:
    """RSS of the API's processes, in bytes: at first, and the most that was seen since."""

    stack: Stack
    first: int = field(init=False)
    most: int = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.most = self._now()

    def look(self) -> None:
        self.most = max(self.most, self._now())

    def _now(self) -> int:
        return proc.memory({"api": self.stack.pids()["api"]})["api"].rss


def _export(watch: Watch, api: Api, kind: str) -> str:
    """Export everything in one format; returns what it took. Raises Failed, TimeoutError."""
    file = watch.stack.directory / f"websites.{kind}"
    words = ("monitor", "export", str(file), "--url", api.url, "--key", api.key)
    memory, before = ApiMemory(watch.stack), watch.read()
    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(watch.stack.run, *words, within_s=_WITHIN_S)

        def done() -> bool:
            memory.look()
            return exporting.done()

        watch.wait_for(done, f"exporting as {kind}", within_s=_WITHIN_S)
    after, said = watch.read(), exporting.result()
    _must_hold_all(file, watch.stack.options.sites + (kind == "csv"))
    cpu_s = {n: (after.cpu_us[n] - before.cpu_us[n]) / 1e6 for n in ("api", "postgres")}
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in cpu_s.items())
    grown = (memory.most - memory.first) / _MIB
    return f"{said} CPU: {spent}; memory of the API {memory.first / _MIB:.0f} MiB, +{grown:.1f}"


def _must_hold_all(file: Path, lines: int) -> None:
    with file.open("rb") as exported:
        found = sum(1 for _ in exported)
    if found != lines:
        raise Failed(f"{file.name} has {found} lines instead of {lines}.")


def main() -> None:
    """Raises ValueError, FileNotFoundError, TimeoutError, Failed."""
    wanted = read(_DEFAULTS | os.environ)
    with (
        tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory,
        running_servers(Path(directory), wanted.large()) as stack,
    ):
        seed.insert_regions(stack)
        seed.insert_websites(stack)
        stack.start_products()
        api, watch = Api(stack), Watch(stack)
        for kind in _FORMATS:
            say(_export(watch, api, kind))


if __name__ == "__main__":
    sys.exit(program.run(main))
