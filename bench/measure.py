"""One measurement: the stack at work over whole intervals, and what it left behind."""

from __future__ import annotations

import time
from dataclasses import dataclass

from . import figures, proc, seed, stores
from .figures import Batch, Window
from .proc import Memory
from .stack import Stack
from .watch import Idle, Reading, Watch, say

BEFORE_MINUTE_S = 4
"""A scheduler queues the batches of the minute it starts in, but for the last seconds of one."""
LATE_S = 15
"""A tick that is not stored this long after the last slot counts as missed."""
TIMEOUT_S = 15
"""Of a check, request_timeout's default: later comes the tick of a website that never answers."""


@dataclass(frozen=True)
class Measured:
    """By process: ``cpu_us`` of a check, and what they idle before the first check.

    ``busy_cores``: of the whole machine; ``other_cores``: of that, what is neither the stack's
    nor the websites'; ``stolen_cores``: what the hypervisor gave to others.
    ``down_series``: websites and regions that found them down, in any of the slots.
    """

    window: Window
    batches: list[Batch]
    checks: int
    idle: Idle
    cpu_us: dict[str, float]
    memory: dict[str, Memory]
    missed: int
    busy_cores: float
    other_cores: float
    stolen_cores: float
    down_series: int
    sync_s: float
    redis_bytes: int
    redis_keys: dict[str, int]
    website_bytes: int

    def of_slots(self) -> list[Batch]:
        """The batches of the window's slots."""
        w = self.window
        return [b for b in self.batches if w.from_s <= b.slot_s < w.until_s]


def measure(stack: Stack) -> Measured:
    """Fill the stack, let it run, and read the meters."""
    watch, empty = Watch(stack), stores.redis_used_memory(stack)
    seed.insert_regions(stack)
    idle, sync_s, window = _begin(watch)
    watch.wait(window.from_s, "warming up")
    before = watch.read()
    watch.wait(window.until_s, "measuring")
    after = watch.read()
    memory = proc.memory(stack.pids())
    slots_missed = missed(stack, window)
    batches = watch.log.batches()
    checks = sum(b.websites for b in batches if window.from_s <= b.at_s < window.until_s)
    busy, other, stolen = cores(before, after)
    return Measured(
        window=window,
        batches=batches,
        checks=checks,
        idle=idle,
        cpu_us=figures.per_check(before.cpu_us, after.cpu_us, checks),
        memory=memory,
        missed=slots_missed,
        busy_cores=busy,
        other_cores=other,
        stolen_cores=stolen,
        down_series=down_series(stack, window),
        sync_s=sync_s,
        redis_bytes=stores.redis_used_memory(stack) - empty,
        redis_keys=stores.redis_key_bytes(stack),
        website_bytes=stores.postgres_website_bytes(stack),
    )


def _begin(watch: Watch) -> tuple[Idle, float, Window]:
    """Fill the stack, start it, and idle until the scheduler starts at the end of the minute."""
    stack = watch.stack
    sync_s = fill(stack)
    watch.wait(figures.good_start(time.time()), "waiting for the minute to end")
    stack.start_products()
    window = figures.window(time.time(), stack.options.interval_s)
    idle = watch.idle(window.first_slot_s - BEFORE_MINUTE_S)
    stack.start_scheduler()
    return idle, sync_s, window


def fill(stack: Stack) -> float:
    """All websites into Postgres and Redis; returns the seconds that the sync took."""
    seed.insert_websites(stack)
    sync_s = seed.sync(stack)
    say(f"{stack.options.sites} websites are in Postgres, and in Redis after {sync_s:.1f} s")
    return sync_s


def cores(before: Reading, after: Reading) -> tuple[float, float, float]:
    """Cores busy; of those with what is not the stack's; and stolen by the hypervisor."""
    span_us = (after.at_s - before.at_s) * 1e6
    busy_us = after.machine.busy_us - before.machine.busy_us
    known_us = sum(after.cpu_us.values()) - sum(before.cpu_us.values())
    stolen_us = after.machine.stolen_us - before.machine.stolen_us
    return busy_us / span_us, (busy_us - known_us) / span_us, stolen_us / span_us


def down_series(stack: Stack, window: Window) -> int:
    """How many websites were found down in any of the window's slots, each once a region."""
    return sum(stores.series_with(stack, window, down=True).values())


def missed(stack: Stack, window: Window) -> int:
    """Slots without a tick, once all are stored or it is too late for more."""
    late_s = LATE_S + TIMEOUT_S if stack.options.mixed else LATE_S
    while True:
        late = time.time() > window.until_s + late_s
        found = stores.series_with(stack, window)
        slots = figures.missed_slots(found, stack.options.series, window.slots_each)
        if not slots or late:
            return slots
        time.sleep(1)
