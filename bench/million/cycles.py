"""Whole cycles of all websites, a meter reading at each end, and a full sync in the midst."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from bench import figures, proc, seed
from bench.figures import Window
from bench.measure import cores
from bench.proc import Memory
from bench.watch import Reading, Watch, ours

_INTO_CYCLE_S = 20


@dataclass(frozen=True)
class Cycle:
    """One interval. ``cpu_us``: of a check, by process; ``synced``: a full sync ran in it.

    ``rolled_up``: the hourly roll-up of all websites did. ``lag_p99_s``: of the batches that ended
    in it. ``sockets_waiting``: in TIME_WAIT at its end.
    """

    checks: int
    cpu_us: dict[str, float]
    synced: bool
    rolled_up: bool
    busy_cores: float
    other_cores: float
    stolen_cores: float
    lag_p99_s: float
    sockets_waiting: int

    @property
    def total_us(self) -> float:
        return sum(us for name, us in self.cpu_us.items() if ours(name))


@dataclass(frozen=True)
class Cycles:
    """``memory``: of each worker process at the start of the first cycle, and at the end."""

    window: Window
    found: list[Cycle]
    sync_s: float
    memory: tuple[list[Memory], list[Memory]]

    def quiet(self) -> list[Cycle]:
        """Those without a full sync; all where it ran in each."""
        return [c for c in self.found if not c.synced] or self.found


def run(watch: Watch, window: Window) -> Cycles:
    """Wait for the window and measure it, cycle by cycle; a full sync in the second, if any."""
    watch.wait(window.from_s, "warming up")
    start, readings, sync_s = _workers(watch), [watch.read()], 0.0
    with_sync = min(1, window.slots_each - 1)
    waiting = []
    for n in range(window.slots_each):
        if n == with_sync:
            sync_s = _sync(watch)
        until_s = window.from_s + (n + 1) * window.interval_s
        watch.wait(until_s, f"cycle {n + 1} of {window.slots_each}")
        readings.append(watch.read())
        waiting.append(proc.sockets_waiting())
    end = _workers(watch)
    found = [
        _cycle(watch, before, after, synced=n == with_sync, sockets=waiting[n])
        for n, (before, after) in enumerate(pairwise(readings))
    ]
    return Cycles(window, found, sync_s, (start, end))


def _sync(watch: Watch) -> float:
    """`monitor sync` some seconds into the cycle; returns how long it took."""
    watch.wait(time.time() + _INTO_CYCLE_S, "a full sync is next")
    with ThreadPoolExecutor(1) as pool:
        syncing = pool.submit(seed.sync, watch.stack)
        watch.wait_for(syncing.done, "a full sync beside the checks", within_s=600)
    return syncing.result()


def _workers(watch: Watch) -> list[Memory]:
    """Memory of each process of the region's workers."""
    name = f"worker.{watch.stack.options.regions[0]}"
    return proc.memories(watch.stack.pids()[name])


def _cycle(watch: Watch, before: Reading, after: Reading, *, synced: bool, sockets: int) -> Cycle:
    done = [b for b in watch.log.batches() if before.at_s <= b.at_s < after.at_s]
    checks = sum(b.websites for b in done)
    busy, other, stolen = cores(before, after)
    return Cycle(
        checks=checks,
        cpu_us=figures.per_check(before.cpu_us, after.cpu_us, checks),
        synced=synced,
        rolled_up=any(before.at_s <= at_s < after.at_s for at_s in watch.rolled_up()),
        busy_cores=busy,
        other_cores=other,
        stolen_cores=stolen,
        lag_p99_s=round(figures.lag_s(done, 99), 3),
        sockets_waiting=sockets,
    )
