"""A process that checks hostile websites and says what memory and CPU that took.

``python -m support.hostile_weighing LOOP``: the farms as JSON on standard input, a ``Weights`` on
standard output. Apart from the tests, so that nobody else's memory counts; the servers run in
processes of their own.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct

from support.hostile_case import Case
from support.hostile_checks import Farms, find, hostile_prober
from support.hostile_farm import CASES, environment

_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
_ATTEMPTS = 4
_STRIKING_BYTES = 128 * 1024
_STRIKING_CPU_MS = 5
"""What the process holds grows for other reasons, too: a striking figure is taken again, and the
least counts."""


class Weights(Struct, frozen=True):
    """Bytes above what was held before, at the worst moment of a check, by name of the case:
    resident, and of Python's objects alone. ``waiting_*``: of all checks that end by their
    deadline, which run at once. ``kept``: of Python's objects, when all was done once more.
    ``cpu_ms``: of one check, by name of the case."""

    resident: dict[str, int]
    objects: dict[str, int]
    waiting_resident: int
    waiting_objects: int
    kept: int
    cpu_ms: dict[str, float]


def weighed(loop: str, farms: Farms) -> Weights:
    """Start the process and wait for what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "support.hostile_weighing", loop],
        input=msgspec.json.encode(farms),
        stdout=subprocess.PIPE,
        env=environment(),
        timeout=120,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Weights)


def _status_bytes(line: str) -> int:
    """A line of proc(5)'s status, which counts in kB."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{line}:")[1].split()[0]) * 1024


def _forget_peak() -> None:
    """VmHWM begins anew (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


async def _resident(work: Callable[[], Awaitable[object]]) -> int:
    gc.collect()
    _forget_peak()
    before = _status_bytes("VmRSS")
    await work()
    return _status_bytes("VmHWM") - before


async def _cpu_ms(work: Callable[[], Awaitable[object]]) -> float:
    spent_s = []
    for _ in range(_ATTEMPTS):
        before_s = time.process_time()
        await work()
        spent_s.append(time.process_time() - before_s)
        if spent_s[-1] * 1000 < _STRIKING_CPU_MS:
            break
    return min(spent_s) * 1000


async def _objects(work: Callable[[], Awaitable[object]]) -> int:
    gc.collect()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    await work()
    return tracemalloc.get_traced_memory()[1] - before


async def _least(
    weigh: Callable[[Callable[[], Awaitable[object]]], Awaitable[int]],
    work: Callable[[], Awaitable[object]],
) -> int:
    least = await weigh(work)
    for _ in range(_ATTEMPTS - 1):
        if least > _STRIKING_BYTES:
            least = min(least, await weigh(work))
    return least


async def _weigh(farms: Farms) -> Weights:
    quick = [case for case in CASES if not case.waits]
    prober = hostile_prober(farms)

    def checks(*cases: Case) -> Callable[[], Awaitable[object]]:
        return lambda: asyncio.gather(*(find(prober, case, farms) for case in cases))

    waiting = checks(*(case for case in CASES if case.waits))
    await checks(*quick)()
    gc.collect()
    gc.freeze()  # what was imported is not looked through again at each collection
    resident = {case.name: await _least(_resident, checks(case)) for case in quick}
    waiting_resident = await _least(_resident, waiting)
    cpu_ms = {case.name: await _cpu_ms(checks(case)) for case in quick}
    tracemalloc.start()
    objects = {case.name: await _objects(checks(case)) for case in quick}
    waiting_objects = await _objects(waiting)
    kept = await _least(_kept, checks(*quick))
    await prober.close()
    return Weights(resident, objects, waiting_resident, waiting_objects, kept, cpu_ms)


async def _kept(work: Callable[[], Awaitable[object]]) -> int:
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    await work()
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - before


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Farms)
    with asyncio.Runner(loop_factory=_LOOPS[sys.argv[1]]) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(_weigh(given))))
