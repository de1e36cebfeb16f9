"""`make bench-million MIX=1`: how many real websites this machine checks with no slot missed.

One number is for workers that run since the last cycle and remember what they may. The other is
for the first cycle after all workers of the region were started anew. Each trial is a stack of its
own with so many websites of ``bench.mix``; both are judged in it.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bench import figures, measure, mix, seed
from bench.figures import Window
from bench.options import Options, chain, number
from bench.servers import running_servers
from bench.watch import Watch, say, total

from .options import REGION
from .search import Trial, most_held, next_sites

State = Literal["warm caches", "first cycle after a restart"]
WARM: State = "warm caches"
RESTARTED: State = "first cycle after a restart"


@dataclass(frozen=True)
class Settings:
    """``first``: the options of the first trial. ``cycles``: intervals that are judged with warm
    caches. ``within``: how well a number should be known; see ``search.next_sites``."""

    first: Options
    cycles: int
    within: float


@dataclass(frozen=True)
class Judged:
    """What a window came to. ``down``: websites that any check found down; ``failing``: those that
    are meant to be.

    CPU in us a check, all processes of ours; cores of the whole machine.
    """

    missed: int
    not_measured: int
    down: int
    failing: int
    lag_p99_s: float
    us_per_check: float
    busy_cores: float
    other_cores: float

    @property
    def held(self) -> bool:
        """Whether every website was checked in every slot, and found to be what it is."""
        return self.missed == 0 and self.not_measured == 0 and self.down == self.failing

    def text(self) -> str:
        answer = "held" if self.held else "did not hold"
        return (
            f"{answer}: {self.missed} slots missed, {self.not_measured} not measured, "
            f"{self.down} down ({self.failing} meant to be), lag p99 {self.lag_p99_s:.1f} s, "
            f"{self.us_per_check:.0f} us a check, {self.busy_cores:.2f} cores busy, "
            f"{self.other_cores:.2f} of them with other work"
        )


Trials = Mapping[int, Mapping[State, Judged]]
"""By number of websites."""


def read(environ: Mapping[str, str]) -> Settings:
    """The options. Raises ValueError, one sentence, for what cannot be measured."""
    first = Options(
        sites=number(environ, "SITES", 100_000, least=1000),
        regions=(REGION,),
        interval_s=number(environ, "INTERVAL", 180, least=30),
        store="influx",
        chain=chain(environ),
        processes=number(environ, "PROCESSES", 2),
        dns=True,
        mixed=True,
        threads=number(environ, "THREADS", 8),
    )
    cycles = number(environ, "CYCLES", 2)
    return Settings(first, cycles, number(environ, "WITHIN", 10) / 100)


def sized(settings: Settings, sites: int) -> Options:
    """The options of the trial with so many websites."""
    return replace(settings.first, sites=sites)


def run(settings: Settings) -> Trials:
    """Trials until both numbers are known. Raises Failed, TimeoutError, FileNotFoundError."""
    trials: dict[int, Mapping[State, Judged]] = {}
    sites: int | None = settings.first.sites
    while sites is not None:
        trials[sites] = _trial(settings, sites)
        for state, judged in trials[sites].items():
            say(f"{sites} websites, {state}: {judged.text()}")
        sites = next_trial(trials, settings.within)
    return trials


def next_trial(trials: Trials, within: float) -> int | None:
    """For the first of the two numbers that is not known well enough; None: both are."""
    cores = os.cpu_count() or 1
    wishes = (next_sites(of_state(trials, state), cores, within) for state in (WARM, RESTARTED))
    return next((sites for sites in wishes if sites is not None and sites not in trials), None)


def of_state(trials: Trials, state: State) -> dict[int, Trial]:
    """What the trials say of one of the two."""
    return {n: Trial(each[state].held, each[state].busy_cores) for n, each in trials.items()}


def _trial(settings: Settings, sites: int) -> Mapping[State, Judged]:
    options = sized(settings, sites)
    say(options.describe())
    with (
        tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory,
        running_servers(Path(directory), options) as stack,
    ):
        watch = Watch(stack)
        seed.insert_regions(stack)
        measure.fill(stack)
        stack.start_products()
        warm = _judged(watch, _started(watch, settings.cycles))
        restarted = _judged(watch, _restarted(watch))
        return {WARM: warm, RESTARTED: restarted}


def _started(watch: Watch, cycles: int) -> Window:
    """The scheduler starts with the minute; the window begins when every website was checked."""
    interval_s = watch.stack.options.interval_s
    ready_s = time.time() + measure.BEFORE_MINUTE_S + 1
    window = figures.window(ready_s, interval_s, cycles * interval_s)
    watch.wait(window.first_slot_s - measure.BEFORE_MINUTE_S, "waiting for the minute to end")
    watch.stack.start_scheduler()
    watch.wait(window.from_s, "warming up")
    return window


def _restarted(watch: Watch) -> Window:
    """One interval, from the second in which the workers are told to end: every website is due in
    it once, those too that are due while no worker runs."""
    interval_s, from_s = watch.stack.options.interval_s, int(time.time()) + 1
    watch.wait(from_s, "restarting the workers")
    watch.stack.restart_workers()
    return Window(from_s, from_s, from_s + interval_s, interval_s)


def _judged(watch: Watch, window: Window) -> Judged:
    before = watch.read()
    watch.wait(window.until_s, "measuring")
    after = watch.read()
    missed = measure.missed(watch.stack, window)
    batches = watch.log.batches()
    done = sum(b.websites for b in batches if before.at_s <= b.at_s < after.at_s)
    cpu_us = figures.per_check(before.cpu_us, after.cpu_us, done)
    busy, other, _ = measure.cores(before, after)
    slots = [b for b in batches if window.from_s <= b.slot_s < window.until_s]
    return Judged(
        missed=missed,
        not_measured=sum(b.not_measured for b in slots),
        down=measure.down_series(watch.stack, window),
        failing=mix.failing(watch.stack.options.sites),
        lag_p99_s=round(figures.lag_s(slots, 99), 3),
        us_per_check=round(total(cpu_us), 1),
        busy_cores=round(busy, 2),
        other_cores=round(other, 2),
    )


def result(settings: Settings, trials: Trials) -> dict[str, Any]:
    """The two numbers, and every trial behind them, as JSON."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        "interval_s": settings.first.interval_s, "chain": settings.first.chain,
        "processes": settings.first.processes, "threads": settings.first.threads,
        "sites": {state: most_held(of_state(trials, state)) for state in (WARM, RESTARTED)},
        "trials": [
            {"sites": sites, "state": state, "held": judged.held} | asdict(judged)
            for sites, by_state in sorted(trials.items())
            for state, judged in by_state.items()
        ],
    }  # fmt: skip


def lines(settings: Settings, trials: Trials) -> list[str]:
    """For people; the two numbers come last."""
    rows = [
        f"{sites} websites, {state}: {judged.text()}"
        for sites, by_state in sorted(trials.items())
        for state, judged in by_state.items()
    ]
    numbers = [_number(of_state(trials, state), state) for state in (WARM, RESTARTED)]
    return [
        *rows,
        "",
        f"websites every {settings.first.interval_s} s with no slot missed",
        *numbers,
    ]


def _number(trials: Mapping[int, Trial], state: State) -> str:
    most, failed = most_held(trials), [n for n, trial in trials.items() if not trial.held]
    known = f"  (not with {min(failed)})" if failed else ""
    return f"{state:<32}{most if most is not None else 'none':>10}{known}"
