"""What was measured: as one object for machines, as one table for people."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import figures, mix
from .compare import Other
from .measure import Measured
from .options import Options
from .stack import NAMES, TARGET
from .watch import ours

_MIB = 2**20


@dataclass(frozen=True)
class Run:
    """Everything of one run. ``others``: by name, None where one is not installed.
    ``ticks`` and ``tick_bytes``: all that the tick store held at the end."""

    options: Options
    measured: Measured
    others: dict[str, Other | None]
    ticks: int
    tick_bytes: dict[str, int]


def result(run: Run) -> dict[str, Any]:
    """The run as JSON. Microseconds of CPU, bytes, seconds."""
    m, o = run.measured, run.options
    cpu = {name: round(us, 1) for name, us in m.cpu_us.items() if ours(name)}
    total = sum(us for name, us in m.cpu_us.items() if ours(name))
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        "sites": o.sites, "regions": len(o.regions), "interval_s": o.interval_s,
        "store": o.store, "https": o.chain is not None, "chain": o.chain,
        "dns": o.dns, "mixed": o.mixed,
        "processes": o.processes, "threads": o.threads,
        "window_s": m.window.seconds,
        "checks": m.checks,
        "checks_per_s": round(m.checks / m.window.seconds, 1),
        "cpu_us_per_check": cpu | {"total": round(total, 1)},
        "idle_us_per_s": {n: round(us) for n, us in m.idle.us_per_s.items() if ours(n)},
        "dns_us_per_check": round(m.cpu_us[NAMES], 1) if o.dns else None,
        "target_us_per_check": round(m.cpu_us[TARGET], 1),
        "others": {name: other and asdict(other) for name, other in run.others.items()},
        "ratio_bare_aiohttp": _ratio(total, run.others["bare_aiohttp"]),
        "ratio_floor": _ratio(total, run.others["wrk"]),
        "ratio_blackbox": _ratio(total, run.others["blackbox"]),
        "missed_slots": m.missed,
        "due_slots": o.series * m.window.slots_each,
        "not_measured": sum(b.not_measured for b in m.of_slots()),
        "down": sum(b.down for b in m.of_slots()),
        "down_series": m.down_series, "failing_series": _failing(o),
        "lag_p50_s": round(figures.lag_s(m.of_slots(), 50), 3),
        "lag_p99_s": round(figures.lag_s(m.of_slots(), 99), 3),
        "lag_max_s": round(figures.lag_s(m.of_slots(), 100), 3),
        "memory_bytes": {name: asdict(memory) for name, memory in m.memory.items()},
        "redis_bytes_per_website": round(m.redis_bytes / o.sites, 1),
        "redis_keys_bytes_per_website": {
            name: round(size / o.sites, 1) for name, size in sorted(m.redis_keys.items())
        },
        "postgres_bytes_per_website": round(m.website_bytes / o.sites, 1),
        "ticks": run.ticks,
        "bytes_per_tick": {name: round(n / run.ticks, 1) for name, n in run.tick_bytes.items()},
        "sync_s": round(m.sync_s, 1),
        "busy_cores": round(m.busy_cores, 2),
        "other_cores": round(m.other_cores, 2),
        "stolen_cores": round(m.stolen_cores, 3),
    }  # fmt: skip


def _failing(options: Options) -> int:
    """Websites that are meant to be down, each once a region."""
    return mix.failing(options.sites) * len(options.regions) if options.mixed else 0


def _ratio(total: float, other: Other | None) -> float | None:
    return None if other is None else round(total / other.cpu_us, 3)


def write(found: dict[str, Any], path: Path) -> None:
    """Keep it for the next tool."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def table(found: dict[str, Any], description: str) -> str:
    """The same for people."""
    lines = [*_processes(found), "", *_others(found), "", *_rest(found)]
    return "\n".join(["", description, "", *lines])


def _processes(found: dict[str, Any]) -> list[str]:
    cpu, idle = dict(found["cpu_us_per_check"]), found["idle_us_per_s"]
    memory, total = found["memory_bytes"], cpu.pop("total")
    lines = [f"{'CPU of one check':<28}{'us':>8}{'idle us/s':>12}{'RSS MiB':>10}{'PSS MiB':>10}"]
    lines += [_row(name, us, str(idle.get(name, "-")), memory[name]) for name, us in cpu.items()]
    lines.append(f"{'total':<28}{total:>8.1f}{sum(idle.values()):>12}")
    target, names = found["target_us_per_check"], found["dns_us_per_check"]
    lines.append(_row("nginx (the websites, apart)", target, "", memory[TARGET]))
    return (
        lines if names is None else [*lines, _row("their names (apart)", names, "", memory[NAMES])]
    )


def _row(name: str, us: float, idle: str, memory: dict[str, int]) -> str:
    rss, pss = memory["rss"] / _MIB, memory["pss"] / _MIB
    return f"{name:<28}{us:>8.1f}{idle:>12}{rss:>10.0f}{pss:>10.0f}"


_NAMES = {
    "bare_aiohttp": ("aiohttp alone", "ratio_bare_aiohttp"),
    "wrk": ("wrk, the floor", "ratio_floor"),
    "blackbox": ("blackbox exporter", "ratio_blackbox"),
}


def _others(found: dict[str, Any]) -> list[str]:
    lines = [f"{'CPU of one request':<28}{'us':>8}{'per s':>10}{'bad':>10}  our total is"]
    for key, (name, ratio) in _NAMES.items():
        if (other := found["others"][key]) is None:
            lines.append(f"{name:<28}  not installed, left out")
            continue
        numbers = f"{other['cpu_us']:>8.1f}{other['per_s']:>10.0f}{other['bad']:>10.0f}"
        asked = ", asked by address" if found["dns"] and not other["by_name"] else ""
        lines.append(f"{name:<28}{numbers}  {found[ratio]:.2f} times that{asked}")
    return lines


def _rest(found: dict[str, Any]) -> list[str]:
    f = found
    per_tick = ", ".join(f"{name} {size:.0f}" for name, size in f["bytes_per_tick"].items())
    keys = ", ".join(
        f"{name.removeprefix('monitor:')} {size:.0f}"
        for name, size in f["redis_keys_bytes_per_website"].items()
        if size >= 1
    )
    lags = f"p50 {f['lag_p50_s']:.1f} s, p99 {f['lag_p99_s']:.1f} s, most {f['lag_max_s']:.1f} s"
    down = f"{f['down']} down ({f['down_series']} websites, {f['failing_series']} meant to be)"
    return [
        f"checks      {f['checks']} in {f['window_s']} s, {f['checks_per_s']:.0f}/s",
        f"answers     {down}; {f['not_measured']} not measured",
        f"slots       {f['missed_slots']} of {f['due_slots']} missed",
        f"lag         {lags}; from the slot to the batch's end",
        f"Redis       {f['redis_bytes_per_website']:.0f} bytes a website: {keys}",
        f"Postgres    {f['postgres_bytes_per_website']:.0f} bytes a website",
        f"ticks       {per_tick} bytes a tick, over {f['ticks']} ticks",
        f"machine     {f['busy_cores']:.2f} of {f['machine']['cores']} cores busy while measuring",
        f"beside      {f['other_cores']:.2f} cores with other work, {f['stolen_cores']:.3f} stolen",
    ]
