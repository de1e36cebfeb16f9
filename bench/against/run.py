"""A commit and the working tree on one machine, in turn.

Each side has servers and processes of its own and is given the same: the same websites on one
nginx, the same options. Then they take turns. Only one of them checks in a window; the scheduler of
the other is stopped (SIGSTOP), so nothing is queued for it, and goes on when its own next window
begins. A window is whole minutes, because a scheduler queues a minute's checks when that minute
begins.

Why in turn, and not one after the other: a machine is faster or slower from one quarter of an hour
to the next by more than what is looked for, and neighbouring minutes are alike. Why not at the same
time: the two would compete for the CPU's caches, and that is a cost neither has alone.

The region's workers, most of what a check costs, are started anew while the other side has its
turn. One start of a Python process runs a little faster or slower than the next (where its memory
comes to lie, how its hashes fall). Started once, a side would keep that for the whole run, and the
scatter of its windows would not show it. With a start for each window it is part of the scatter,
and so of the error. What a start itself costs is over before the window begins. Over HTTPS every
website is checked once between the two, unmeasured: what a worker remembers of certificates is then
there, as it is in one that has run for long.

What the other side does meanwhile is start its workers and idle. Idling is about a tenth of what a
side at work uses. Both disturb either side alike, and neither is in a figure: CPU time is read by
process, over the side's own window alone. A side's own idling in its window is in its figure, as it
is in that of `make bench`. So are the checks that end after the window: the meters are read
some seconds later, and checks are counted by slot, from the ticks that were stored.

Another commit's modules may have other names. So each side is driven only by what stays the same:
its console scripts, its settings, its API, and what it stores as ticks. The servers of both are
those of the working tree.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
from bench import stores
from bench.million.importing import Api, make_regions, upload
from bench.servers import running_servers
from bench.stack import OWN_SCRIPTS, Failed, Stack
from bench.targets import Targets
from bench.watch import Reading, Watch, say, total

from . import turns
from .checkout import installed
from .options import Comparison
from .turns import COMMIT, TREE, Event, Side, Turn

_FIRST_CHECKS_WITHIN_S = 120.0
_LOOK_EVERY_S = 5.0


@dataclass
class Window:
    """What a side used in its turn. ``checks``: stored, of those that were due in it."""

    turn: Turn
    readings: list[Reading] = field(default_factory=list)
    checks: int = 0

    @property
    def cpu_us(self) -> dict[str, int]:
        """By process."""
        before, after = self.readings[0].cpu_us, self.readings[-1].cpu_us
        return {name: after[name] - us for name, us in before.items()}

    @property
    def us_per_check(self) -> float:
        return total(self.cpu_us) / self.checks


@dataclass(frozen=True)
class Compared:
    """``name``: the commit's short id. ``windows``: the measured ones, in their order.

    ``other_cores``: busy with what is neither of the two sides nor the websites, from the first to
    the last. ``stolen_cores``: what the hypervisor gave to others.
    """

    comparison: Comparison
    name: str
    windows: Sequence[Window]
    other_cores: float
    stolen_cores: float

    def of(self, side: Side) -> list[Window]:
        return [window for window in self.windows if window.turn.side == side]


def run(comparison: Comparison) -> Compared:
    """Raises ValueError for an unknown commit, FileNotFoundError, TimeoutError, Failed."""
    with ExitStack() as ending:
        checkout = ending.enter_context(installed(comparison.commit))
        say(f"{checkout.name} and the working tree, each: {comparison.load.describe()}")
        commit = _started(comparison, checkout.scripts, None, ending)
        tree = _started(comparison, OWN_SCRIPTS, commit.stack.targets, ending)
        sides: dict[Side, Watch] = {COMMIT: commit, TREE: tree}
        for watch in sides.values():
            _check_first(watch)
        before = [watch.read() for watch in sides.values()]
        windows, retired_us = _take_turns(sides, comparison)
        other, stolen = _beside(before, [watch.read() for watch in sides.values()], retired_us)
        for window in windows:
            _count(window, sides[window.turn.side].stack)
        return Compared(
            comparison, checkout.name, [w for w in windows if w.turn.measured], other, stolen
        )


def _started(
    comparison: Comparison, scripts: Path, shared: Targets | None, ending: ExitStack
) -> Watch:
    """One side with all websites in Postgres and in Redis, and no scheduler yet."""
    directory = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="monitor-bench-")))
    servers = running_servers(directory, comparison.load, shared=shared, scripts=scripts)
    stack = ending.enter_context(servers)
    stack.start_products()
    api = Api(stack)
    make_regions(api, comparison.load.regions)
    asyncio.run(upload(stack, api))
    stack.run("monitor", "sync", within_s=600.0)
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")  # or Postgres would do it of itself in some window
    return Watch(stack)


def _check_first(watch: Watch) -> None:
    """Start the scheduler, and pause it as soon as what it queued at its start is checked."""
    watch.stack.start_scheduler()
    watch.wait_for(
        lambda: stores.ticks(watch.stack) > 0,
        "waiting for the first checks",
        within_s=_FIRST_CHECKS_WITHIN_S,
    )
    watch.stack.pause_scheduler()


def _take_turns(sides: Mapping[Side, Watch], comparison: Comparison) -> tuple[list[Window], int]:
    """All windows, and the CPU time in us that workers had used when others took their place."""
    plan = turns.plan(time.time(), comparison.windows, comparison.window_s, comparison.warm_s)
    windows, retired_us = [Window(turn) for turn in plan], [0]
    say(f"{len(plan)} windows, from {_clock(plan[0].begin_s)} to {_clock(plan[-1].until_s)}")
    events: list[Event] = []
    for number, window in enumerate(windows):
        watch, turn, left = sides[window.turn.side], window.turn, len(windows) - number - 1
        end_s = turn.until_s + comparison.settle_s
        events += [
            Event(turn.from_s, partial(_begin, window, watch)),
            Event(turn.begin_s, watch.stack.resume_scheduler),
            Event(turn.until_s - turns.PAUSE_BEFORE_S, watch.stack.pause_scheduler),
            Event(end_s, partial(_end, window, watch, comparison, left)),
        ]
        if left > 1:  # the side has a window yet to come
            events.append(Event(end_s, partial(_restart, watch, retired_us)))
    for event in turns.in_order(events):
        _wait(event.at_s, sides.values())
        event.do()
    return windows, sum(retired_us)


def _begin(window: Window, watch: Watch) -> None:
    window.readings.append(watch.read())


def _end(window: Window, watch: Watch, comparison: Comparison, left: int) -> None:
    window.readings.append(watch.read())
    about = total(window.cpu_us) / comparison.checks_each
    unmeasured = "" if window.turn.measured else " (its first window, not measured)"
    say(f"{window.turn.side}: {about:.1f} us a check{unmeasured}; windows to go: {left}")


def _restart(watch: Watch, retired_us: list[int]) -> None:
    before = watch.read()
    watch.stack.restart_workers()
    after = watch.read()
    retired_us.append(sum(before.cpu_us.values()) - sum(after.cpu_us.values()))


def _clock(at_s: int) -> str:
    return time.strftime("%H:%M", time.localtime(at_s))


def _wait(until_s: float, watches: Iterable[Watch]) -> None:
    """Raises Failed as soon as a part of either side has ended."""
    while (left := until_s - time.time()) > 0:
        for watch in watches:
            watch.stack.must_run()
        time.sleep(min(left, _LOOK_EVERY_S))


def _count(window: Window, stack: Stack) -> None:
    window.checks = stores.ticks_between(stack, window.turn.from_s, window.turn.until_s)
    if not window.checks:
        raise Failed(f"{window.turn.side} checked nothing in a window.")


def _beside(
    before: Sequence[Reading], after: Sequence[Reading], retired_us: int
) -> tuple[float, float]:
    """Cores busy with what is no part of either side, and cores stolen by the hypervisor."""
    span_us = (after[0].at_s - before[0].at_s) * 1e6
    busy_us = after[0].machine.busy_us - before[0].machine.busy_us
    known_us = retired_us + sum(sum(r.cpu_us.values()) for r in after)
    known_us -= sum(sum(r.cpu_us.values()) for r in before)
    stolen_us = after[0].machine.stolen_us - before[0].machine.stolen_us
    return (busy_us - known_us) / span_us, stolen_us / span_us
