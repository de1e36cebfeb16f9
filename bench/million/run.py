"""The whole measurement, step by step: first few and many side by side, then all of them."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench import compare, figures, proc, seed, stores, whole
from bench.measure import BEFORE_MINUTE_S
from bench.servers import running_servers
from bench.stack import Stack
from bench.watch import Watch, say

from . import burst, cycles, flat, history, importing, side_by_side, under_load
from .flat import Spent
from .importing import Api, Import
from .options import Wanted
from .outcome import Run


def run(wanted: Wanted) -> Run:
    """All of it. Raises Failed where a part ends, TimeoutError where something never comes."""
    compared = side_by_side.run(wanted)
    for size in flat.sizes(compared):
        say(flat.told(size))
    say(f"now {wanted.large().describe()}")
    with (
        tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory,
        running_servers(Path(directory), wanted.large()) as stack,
    ):
        found = _large(wanted, stack, compared)
    return replace(found, https=whole.run(wanted.over_tls())) if wanted.https else found


def _large(wanted: Wanted, stack: Stack, compared: list[Spent]) -> Run:
    watch, empty = Watch(stack), stores.redis_used_memory(stack)
    stack.start_products()
    api = Api(stack)
    idle = watch.idle(time.time() + 45)
    imported = _fill(watch, api, over_api=wanted.over_api)
    say(f"writing a year of history of {wanted.seeded} websites")
    ids = history.seed(stack, wanted.seeded)
    measured = _cycles(wanted, watch)
    redis_bytes = stores.redis_used_memory(stack) - empty
    loaded = under_load.run(wanted, watch, api, ids)
    reports = under_load.run(
        wanted, watch, api, ids, kinds=under_load.REPORTS, per_s=max(wanted.api_per_s // 3, 1)
    )
    failed = burst.run(watch)
    memory = proc.memory(stack.pids())
    stack.stop_products()
    stack.targets.recover()  # or the other programs would count failures
    say("counting ticks and bytes, then other programs at the same websites")
    found = stores.series_with(stack, measured.window)
    return Run(
        wanted=wanted,
        compared=compared,
        idle=idle,
        imported=imported,
        cycles=measured,
        batches=watch.log.batches(),
        api=loaded,
        reports=reports,
        burst=failed,
        memory=memory,
        missed=figures.missed_slots(found, wanted.sites, measured.window.slots_each),
        redis_bytes=redis_bytes,
        redis_keys=stores.redis_key_bytes(stack),
        tick_bytes=stores.tick_bytes(stack),
        blackbox=compare.blackbox(stack),
        wrk=compare.wrk(stack),
    )


def _fill(watch: Watch, api: Api, *, over_api: bool) -> Import | None:
    """All websites into Postgres and Redis; None where it was not over the API."""
    if not over_api:
        seed.insert_regions(watch.stack)
        seed.insert_websites(watch.stack)
        say(f"no import is measured: COPY, then a sync of {seed.sync(watch.stack):.1f} s")
        return None
    importing.make_regions(api, watch.stack.options.regions)
    imported = importing.run(watch, api)
    say(f"imported in {imported.uploaded_s:.1f} s, in Redis after {imported.ready_s:.1f} s")
    return imported


def _cycles(wanted: Wanted, watch: Watch) -> cycles.Cycles:
    """The scheduler starts now: an interval of warm-up, then the cycles."""
    interval_s = wanted.interval_s
    ready_s = time.time() + BEFORE_MINUTE_S + 1
    window = figures.window(ready_s, interval_s, wanted.cycles * interval_s)
    watch.wait(window.first_slot_s - BEFORE_MINUTE_S, "waiting for the minute to end")
    watch.stack.start_scheduler()
    return cycles.run(watch, window)
