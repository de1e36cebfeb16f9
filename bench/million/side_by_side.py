"""The same load on few and on many websites, in stacks of their own at the same time.

Each has as many checks a second as the fewest websites can have, so that they differ in the number
of websites and in nothing else; and each moment of the machine is the same for all.

    python -m bench.million.side_by_side

is this part of `make bench-million` alone, with the same variables.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psycopg
from bench import program, seed
from bench.measure import fill
from bench.servers import running_servers
from bench.stack import Stack
from bench.watch import Reading, Watch, rates, say, together

from . import flat, judge
from .flat import Spent
from .options import Wanted, read
from .out_of_turn import check_all_once

_STARTED_S = 45.0
"""Processes that were just started are still at it so long."""
_ROLLED_UP_WITHIN_S = 2 * 3600.0


def run(wanted: Wanted) -> list[Spent]:
    """Measure all numbers of websites. Raises Failed, TimeoutError."""
    if not wanted.flat:
        return []
    with ExitStack() as ending:
        watches = [_started(wanted, sites, ending) for sites in wanted.compared]
        minutes, started_s = wanted.flat_minutes, time.time()
        say(f"{minutes} minutes without a website, {len(watches)} stacks side by side")
        idle = together(watches, time.time() + _STARTED_S, minutes)
        for watch in watches:
            _fill(watch)
        begin_s = _begin(watches, minutes, started_s)
        for watch in watches:
            watch.wait(begin_s, "waiting for the minute to end")
        say(f"{minutes} minutes of checks, {len(watches)} stacks side by side")
        at_work = together(watches, begin_s, minutes)
        return list(map(_spent, watches, idle, at_work))


def _started(wanted: Wanted, sites: int, ending: ExitStack) -> Watch:
    """A stack with all that is needed, and no website."""
    options = wanted.side_by_side(sites)
    say(f"side by side: {options.describe()}")
    directory = ending.enter_context(tempfile.TemporaryDirectory(prefix="monitor-bench-"))
    stack = ending.enter_context(running_servers(Path(directory), options))
    seed.insert_regions(stack)
    seed.sync(stack)
    seed.first_tick(stack)
    stack.start_products()
    stack.start_scheduler()
    return Watch(stack)


def _fill(watch: Watch) -> None:
    """All websites, each checked once: what comes but once is no part of a check's cost."""
    fill(watch.stack)
    _vacuum(watch.stack)
    check_all_once(watch)


def _vacuum(stack: Stack) -> None:
    """What Postgres would do of itself within the next minute."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE websites")


def _begin(watches: Sequence[Watch], minutes: int, started_s: float) -> float:
    """A minute from which on nobody rolls up an hour for as long as is measured. The first time
    that makes a roll-up for each website that was checked once, which too comes but once."""
    while True:
        begin_s = _next_minute()
        due_s = flat.roll_up_due(begin_s + 60 * minutes)
        if due_s <= started_s or all(_rolled_up(watch, due_s) for watch in watches):
            return begin_s
        for watch in watches:
            rolled_up = partial(_rolled_up, watch, due_s)
            watch.wait_for(rolled_up, "rolling up the hour first", within_s=_ROLLED_UP_WITHIN_S)


def _rolled_up(watch: Watch, since_s: float) -> bool:
    return any(at_s >= since_s for at_s in watch.rolled_up())


def _next_minute() -> float:
    """The second one from now: what was queued last is done by then."""
    return (time.time() // 60 + 2) * 60


def _spent(watch: Watch, idle: Sequence[Reading], at_work: Sequence[Reading]) -> Spent:
    options, from_s, until_s = watch.stack.options, at_work[0].at_s, at_work[-1].at_s
    batches = [b for b in watch.log.batches() if from_s <= b.at_s < until_s]
    return Spent(
        sites=options.sites,
        interval_s=options.interval_s,
        idle=rates(idle),
        at_work=rates(at_work),
        checks=sum(b.websites for b in batches),
        seconds=until_s - from_s,
        lags_s=[b.lag_s for b in batches],
    )


def main() -> None:
    """This part alone. Raises ValueError, FileNotFoundError, TimeoutError, Failed."""
    wanted = read(os.environ)
    if not wanted.flat:
        raise ValueError("FLAT must name the numbers of websites to compare with.")
    sizes = flat.sizes(run(wanted))
    for size in sizes:
        say(flat.told(size))
    say(judge.row(judge.flat_line(sizes)))


if __name__ == "__main__":
    sys.exit(program.run(main))
