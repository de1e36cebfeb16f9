"""`make bench-million`: what the project promises of a million websites, measured and judged."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from bench import program
from bench.options import switch
from bench.report import write
from bench.watch import say

from . import capacity, flat, judge, options, picture
from .options import Wanted
from .outcome import result
from .run import run

RESULT = Path(__file__).parents[1] / "results" / "million.json"
MIX_RESULT = RESULT.with_name("mix.json")
PICTURE = RESULT.with_suffix(".svg")


def main() -> None:
    """Measure, print, keep; it ends well where all was measured, pass or fail.

    Raises ValueError, FileNotFoundError, TimeoutError, Failed, CalledProcessError.
    """
    if switch(os.environ, "MIX"):
        _count_real_websites()
    else:
        _judge_promises()


def _judge_promises() -> None:
    wanted = options.read(os.environ)
    _tell_plan(wanted)
    found = result(run(wanted))
    write(found, RESULT)
    PICTURE.write_text(picture.draw(found, _subtitle(found)), encoding="utf-8")
    print("\n".join(["", wanted.large().describe(), "", *_told(found), ""]))
    print(f"All figures: {RESULT}\nThe picture: {PICTURE}")


def _count_real_websites() -> None:
    """How many real websites; each trial is told as soon as it ends."""
    settings = capacity.read(os.environ)
    trials = capacity.run(settings)
    write(capacity.result(settings, trials), MIX_RESULT)
    print("", *capacity.lines(settings, trials), f"\nAll figures: {MIX_RESULT}", sep="\n")


def _tell_plan(wanted: Wanted) -> None:
    plan = wanted.plan()
    say(f"this takes about {sum(seconds for _, seconds in plan) / 60:.0f} minutes:")
    for step, seconds in plan:
        say(f"  {step}: {seconds} s")


def _told(found: dict[str, Any]) -> list[str]:
    cycles = found["each_cycle"]
    # A full sync is a process of its own: in its cycle it is other work.
    beside = max(c["other_cores"] for c in [c for c in cycles if not c["synced"]] or cycles)
    lag = f"p50 {found['lag_p50_s']:.1f} s, p99 {found['lag_p99_s']:.1f} s"
    lag += f", most {found['lag_max_s']:.1f} s"
    shares = ", ".join(f"{name} {us:.0f}" for name, us in _dear(found))
    burst, target = found["burst"], found["target_us_per_check"]
    notes = [
        f"lag {lag}; {found['down']} down, {found['not_measured']} not measured",
        f"of a check, us: {shares}; nginx, apart, {target:.0f}",
        *(_cycle(number, cycle) for number, cycle in enumerate(cycles, 1)),
        f"POST /websites under load: {judge.told_kind(found['api']['create'])}",
        f"answered last while the API was asked, ms: {_latest(found['api']['late'])}",
        *map(flat.told, found["sizes"]),
        f"the last mail was taken {burst['mails_s']:.1f} s after the second check",
        f"beside it other work took up to {beside:.2f} cores: distrust a run where it is large",
    ]
    if found["sites"] < 1_000_000:
        notes.append(
            f"A trial: the verdicts hold for {found['sites']} websites, not for a million."
        )
    return [*judge.table(judge.lines(found)), "", *notes]


def _dear(found: dict[str, Any]) -> list[tuple[str, float]]:
    return [(n, us) for n, us in found["cpu_us_per_check"].items() if us >= 0.5 and n != "total"]


def _latest(late: dict[str, Any]) -> str:
    """Of each part the slowest answer; each moment is in the result."""
    return ", ".join(f"{name} {_worst(each)}" for name, each in late.items())


def _worst(part: dict[str, Any]) -> str:
    return part["failed"] or f"{part['slowest'][0][1]:.0f}"


def _cycle(number: int, cycle: dict[str, Any]) -> str:
    beside = [n for n in ("synced", "rolled_up") if cycle[n]]
    return (
        f"cycle {number}: {cycle['checks']} checks, {cycle['total_us']:.0f} us each, "
        f"{cycle['busy_cores']:.2f} cores busy, lag p99 {cycle['lag_p99_s']:.1f} s, "
        f"{cycle['sockets_waiting']} sockets in TIME_WAIT"
        f"{', ' if beside else ''}{' and '.join(beside)}"
    )


def _subtitle(found: dict[str, Any]) -> str:
    where = f"{found['processes']} worker process(es), {found['machine']['cores']} cores"
    return f"HTTP, one region, {where}, ticks in InfluxDB"


if __name__ == "__main__":
    sys.exit(program.run(main))
