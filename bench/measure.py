"""One measurement: the stack at work over whole intervals, and what it left behind."""

from __future__ import annotations

import time
from dataclasses import dataclass

from . import figures, proc, seed, stores
from .figures import Batch, Window
from .proc import Memory
from .stack import TARGET, Stack

_TELL_EVERY_S = 15
_BEFORE_MINUTE_S = 4
"""A scheduler queues the batches of the minute it starts in, but for the last seconds of one."""
LATE_S = 15
"""A tick that is not stored this long after the last slot counts as missed."""


@dataclass(frozen=True)
class Measured:
    """By process: ``cpu_us`` of a check, and ``idle_us_per_s`` before the first check.

    ``busy_cores``: of the whole machine; ``other_cores``: of that, what is neither the stack's
    nor the websites'; ``stolen_cores``: what the hypervisor gave to others.
    """

    window: Window
    batches: list[Batch]
    checks: int
    idle_us_per_s: dict[str, float]
    cpu_us: dict[str, float]
    memory: dict[str, Memory]
    missed: int
    busy_cores: float
    other_cores: float
    stolen_cores: float
    sync_s: float
    redis_bytes: int
    redis_keys: dict[str, int]
    website_bytes: int

    def of_slots(self) -> list[Batch]:
        """The batches of the window's slots."""
        w = self.window
        return [b for b in self.batches if w.from_s <= b.slot_s < w.until_s]


@dataclass(frozen=True)
class _Reading:
    cpu_us: dict[str, int]
    machine: proc.Machine


def measure(stack: Stack) -> Measured:
    """Fill the stack, let it run, and read the meters."""
    empty = stores.redis_used_memory(stack)
    seed.insert_websites(stack)
    sync_s = seed.sync(stack)
    say(f"{stack.options.sites} websites are in Postgres, and in Redis after {sync_s:.1f} s")
    _wait(stack, figures.good_start(time.time()), "waiting for the minute to end")
    stack.start_products()
    window = figures.window(time.time(), stack.options.interval_s)
    idle_us_per_s = _idle(stack, window)
    stack.start_scheduler()
    _wait(stack, window.from_s, "warming up")
    before = _read(stack)
    _wait(stack, window.until_s, "measuring")
    after = _read(stack)
    memory = proc.memory(stack.pids())
    missed = _missed(stack, window)
    batches = read_batches(stack)
    checks = sum(b.websites for b in batches if window.from_s <= b.at_s < window.until_s)
    busy_us = after.machine.busy_us - before.machine.busy_us
    known_us = sum(after.cpu_us.values()) - sum(before.cpu_us.values())
    window_us = window.seconds * 1e6
    return Measured(
        window=window,
        batches=batches,
        checks=checks,
        idle_us_per_s=idle_us_per_s,
        cpu_us=figures.per_check(before.cpu_us, after.cpu_us, checks),
        memory=memory,
        missed=missed,
        busy_cores=busy_us / window_us,
        other_cores=(busy_us - known_us) / window_us,
        stolen_cores=(after.machine.stolen_us - before.machine.stolen_us) / window_us,
        sync_s=sync_s,
        redis_bytes=stores.redis_used_memory(stack) - empty,
        redis_keys=stores.redis_key_bytes(stack),
        website_bytes=stores.postgres_website_bytes(stack),
    )


def read_batches(stack: Stack) -> list[Batch]:
    """All that the regions' workers have told of."""
    found = []
    for region in stack.options.regions:
        with stack.log(f"worker.{region}").open(encoding="utf-8", errors="replace") as log:
            found += figures.batches(log)
    return found


def say(text: str) -> None:
    """Progress, at once."""
    print(f"bench: {text}", flush=True)


def _idle(stack: Stack, window: Window) -> dict[str, float]:
    """CPU a second of each process while there is no scheduler, so nothing to do."""
    before, began_s = _read(stack).cpu_us, time.time()
    _wait(stack, window.first_slot_s - _BEFORE_MINUTE_S, "idle")
    after, seconds = _read(stack).cpu_us, time.time() - began_s
    return {name: (after[name] - before[name]) / seconds for name in before}


def _read(stack: Stack) -> _Reading:
    stack.must_run()
    return _Reading(proc.cpu_us(stack.pids()), proc.machine())


def _wait(stack: Stack, until_s: float, doing: str) -> None:
    """Until a moment of the wall clock: slots are on it."""
    while (left := until_s - time.time()) > 0:
        stack.must_run()
        say(f"{doing}, {left:.0f} s to go, {_checks(stack)} checks so far")
        time.sleep(min(left, _TELL_EVERY_S))


def _checks(stack: Stack) -> int:
    return sum(b.websites for b in read_batches(stack)) if stack.products else 0


def _missed(stack: Stack, window: Window) -> int:
    """Slots without a tick, once all are stored or ``LATE_S`` have passed."""
    while True:
        late = time.time() > window.until_s + LATE_S
        found = stores.series_with(stack, window)
        missed = figures.missed_slots(found, stack.options.series, window.slots_each)
        if not missed or late:
            return missed
        time.sleep(1)


def ours(name: str) -> bool:
    """Whether a process is part of the total: all but the websites."""
    return name != TARGET
