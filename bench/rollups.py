"""What rolling up an hour costs, and who waits meanwhile: two minutes.

    python -m bench.rollups [--websites 100000] [--checks 20] [--no-rest]

Fills an InfluxDB of its own with an hour of ticks, rolls it up as a central worker does, and asks
ten times a second for a website's last day meanwhile. Prints a line.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from uuid import UUID

from monitor.domain.ids import uuid7
from monitor.domain.outcome import Tick, Timings
from monitor.domain.series import DAY_S, HOUR_S
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from monitor.storage.timeseries.throttle import Throttle

from . import figures, proc
from .influx_alone import influxd_alone
from .stores import BUCKET

_AT_ONCE = 5000
_EVERY_S = 0.1


async def _no_rest(_seconds: float) -> None:
    """Go on at once."""


async def _fill(store: InfluxTicks, ids: Sequence[UUID], hour_s: int, checks: int) -> None:
    for number in range(checks):
        slot_s = hour_s + number * HOUR_S // checks
        timings = Timings(connect_ms=1.0, wait_ms=2.0 + number)
        for first in range(0, len(ids), _AT_ONCE):
            part = ids[first : first + _AT_ONCE]
            await store.write(
                [Tick(i, "r", slot_s, True, None, 200, timings.total_ms, timings) for i in part]
            )


async def _keep_asking(store: InfluxTicks, website: UUID, now_s: int, into_ms: list[float]) -> None:
    while True:
        began = time.monotonic()
        await store.raw_buckets(website, None, now_s - DAY_S, now_s, HOUR_S)
        into_ms.append((time.monotonic() - began) * 1000)
        await asyncio.sleep(_EVERY_S)


async def _measure(url: str, pid: int, options: argparse.Namespace) -> None:
    rest = _no_rest if options.no_rest else asyncio.sleep
    http = InfluxHttp(url, None, None, compress=False)
    store = InfluxTicks(http, BUCKET, raw_days=30, rollup_days=400, throttle=lambda: Throttle(rest))
    await store.prepare()
    now_s = int(time.time())
    hour_s, now_ms = now_s // HOUR_S * HOUR_S - HOUR_S, now_s * 1000
    ids = [uuid7(now_ms, os.urandom(10)) for _ in range(options.websites)]
    await _fill(store, ids, hour_s, options.checks)
    roots, waits_ms = {"influxd": pid, "ours": os.getpid()}, list[float]()
    asking = asyncio.create_task(_keep_asking(store, ids[0], now_s, waits_ms))
    before, began = proc.cpu_us(roots), time.monotonic()
    await store.roll_up(hour_s)
    took_s, after = time.monotonic() - began, proc.cpu_us(roots)
    asking.cancel()
    await store.close()
    used = {name: after[name] - before[name] for name in roots}
    used["ours"] -= used["influxd"]  # which is a child of this process
    each = {name: us / len(ids) / options.checks for name, us in used.items()}
    print(
        f"{took_s:.1f} s, {sum(used.values()) / took_s / 1e6:.2f} cores; "
        f"us a tick: influxd {each['influxd']:.1f}, ours {each['ours']:.1f}; "
        f"a question meanwhile, ms: p50 {figures.percentile(waits_ms, 50):.0f}, "
        f"p99 {figures.percentile(waits_ms, 99):.0f}, most {max(waits_ms):.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.rollups", description=(__doc__ or "").partition("\n")[0]
    )
    for name, default in (("websites", 100_000), ("checks", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--no-rest", action="store_true")
    options = parser.parse_args()
    with influxd_alone(options.websites) as (url, pid):
        asyncio.run(_measure(url, pid, options))


if __name__ == "__main__":
    main()
