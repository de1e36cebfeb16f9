"""Everything of one run as one object for machines, and what of it is printed for people."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench import figures, report
from bench.compare import Other
from bench.figures import Batch
from bench.proc import Memory
from bench.stack import TARGET
from bench.watch import Idle, ours

from . import flat
from .burst import Burst
from .cycles import Cycles
from .flat import Spent
from .importing import Import
from .options import Wanted


@dataclass(frozen=True)
class Run:
    """``compared``: what was measured side by side. ``missed``: ticks that should be and are
    not. ``reports``: lists with uptimes and availability reports. ``redis_bytes``: what Redis's
    memory grew by. ``tick_bytes``: of the tick store. ``https``: what `make bench HTTPS=1` would
    be, where it was wanted."""

    wanted: Wanted
    compared: list[Spent]
    idle: Idle
    imported: Import | None
    cycles: Cycles
    batches: list[Batch]
    api: dict[str, Any]
    reports: dict[str, Any]
    burst: Burst
    memory: dict[str, Memory]
    missed: int
    redis_bytes: int
    redis_keys: dict[str, int]
    tick_bytes: dict[str, int]
    blackbox: Other | None
    wrk: Other | None
    https: report.Run | None = None


def result(run: Run) -> dict[str, Any]:
    """The run as JSON. Microseconds of CPU, bytes, seconds."""
    w, cycles, window = run.wanted, run.cycles, run.cycles.window
    total = _mean([c.total_us for c in cycles.quiet()])
    by_process = _by_name(run)
    idle_us = sum(us for name, us in run.idle.us_per_s.items() if ours(name))
    rate = _mean([c.checks for c in cycles.quiet()]) / w.interval_s
    by_name = {name: round(us, 1) for name, us in by_process.items() if ours(name)}
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        "sites": w.sites, "regions": 1, "interval_s": w.interval_s, "store": "influx",
        "https": False, "dns": False, "processes": w.processes, "cycles": w.cycles,
        "checks": sum(c.checks for c in cycles.found),
        "checks_per_s": round(sum(c.checks for c in cycles.found) / window.seconds, 1),
        "cpu_us_per_check": by_name | {"total": round(total, 1)},
        "target_us_per_check": round(_mean([c.cpu_us[TARGET] for c in cycles.quiet()]), 1),
        "marginal_us_per_check": round(figures.marginal(total, idle_us, rate), 1),
        "idle_us_per_s": {n: round(us) for n, us in run.idle.us_per_s.items() if ours(n)},
        "blackbox": run.blackbox and asdict(run.blackbox), "wrk": run.wrk and asdict(run.wrk),
        "ratio_blackbox": _ratio(total, run.blackbox),
        "ratio_floor": _ratio(total, run.wrk),
        "over_https": run.https and report.result(run.https),
        "missed_slots": run.missed,
        "due_slots": w.sites * window.slots_each,
        "lag_p50_s": _lag(run, 50), "lag_p99_s": _lag(run, 99), "lag_max_s": _lag(run, 100),
        "not_measured": sum(b.not_measured for b in _in_window(run)),
        "down": sum(b.down for b in _in_window(run)),
        "each_cycle": [asdict(c) | {"total_us": round(c.total_us, 1)} for c in cycles.found],
        "sizes": flat.sizes(run.compared),
        "import_s": run.imported and round(run.imported.ready_s, 1),
        "uploaded_s": run.imported and round(run.imported.uploaded_s, 1),
        "sync_s": round(cycles.sync_s, 1),
        "api": run.api, "reports": run.reports, "api_per_s": w.api_per_s, "seeded": w.seeded,
        "burst": {k: round(v, 2) for k, v in asdict(run.burst).items()},
        "worker_memory": {
            f"{when}_{kind}": [getattr(m, kind) for m in found]
            for when, found in zip(("start", "end"), cycles.memory, strict=True)
            for kind in ("rss", "pss")
        },
        "memory_bytes": {name: asdict(memory) for name, memory in run.memory.items()},
        "redis_bytes_per_series": round(run.redis_bytes / w.sites, 1),
        "redis_keys_bytes_per_website": {
            name: round(size / w.sites, 1) for name, size in sorted(run.redis_keys.items())
        },
        "bytes_per_tick": {
            name: round(size / sum(b.websites for b in run.batches), 1)
            for name, size in run.tick_bytes.items()
        },
    }  # fmt: skip


def _by_name(run: Run) -> dict[str, float]:
    """Of a check, also what is not ours."""
    quiet = run.cycles.quiet()
    return {n: _mean([c.cpu_us[n] for c in quiet]) for n in quiet[0].cpu_us}


def _in_window(run: Run) -> list[Batch]:
    w = run.cycles.window
    return [b for b in run.batches if w.from_s <= b.slot_s < w.until_s]


def _lag(run: Run, percent: float) -> float:
    return round(figures.lag_s(_in_window(run), percent), 3)


def _ratio(total: float, other: Other | None) -> float | None:
    return None if other is None else round(total / other.cpu_us, 3)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
