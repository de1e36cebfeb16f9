"""What the hourly figures of lists cost a website and hour: one minute.

    python -m bench.hourly_figures [--websites 50000] [--store influx|postgres]

Fills stores of its own with websites that were up for a day, and with their roll-ups of the last
hour and of the one a day before it, 20 checks in each. Then runs the hourly pass without its
pauses, and prints its CPU by process, and what it wrote into Postgres' log.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any
from uuid import UUID

from monitor.domain.histogram import Histogram
from monitor.domain.latencies import Latencies
from monitor.domain.rollup import Rollup
from monitor.domain.series import DAY_S, HOUR_S
from monitor.runtime.process import collect_garbage_rarely
from monitor.services.websites.hourly_figures import HourlyFigures
from monitor.storage.postgres.pool import make_pool
from monitor.storage.timeseries.contract import TickStore
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from monitor.storage.timeseries.postgres import PostgresTicks
from monitor.storage.timeseries.throttle import Throttle
from monitor.storage.timeseries.totals import Totals

from . import proc
from .influx_alone import influxd_alone
from .lists import fill, new_ids
from .rollups import postgres_alone
from .stores import BUCKET

_AT_ONCE = 5000
Handed = dict[UUID, list[Rollup]]
_SHAPES = 50
"""Different histograms."""

_DAY = """
UPDATE website_latencies SET since_s = %s, until_s = %s, histogram = (%s::bytea[])[1 + n %% 50]
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM websites) w WHERE id = website_id
"""


async def _no_rest(_seconds: float) -> None:
    """Go on at once."""


async def _prepare(pool: Any, store: InfluxTicks | PostgresTicks, hour_s: int) -> list[Handed]:
    """The roll-ups of this hour and of the one a day before, and the day that ends between.

    Returns those of this hour that the store hands over, page by page.
    """
    rng = random.Random(1)
    hours = [[rng.lognormvariate(4.6, 0.5) for _ in range(20)] for _ in range(_SHAPES)]
    days = [hour + [rng.lognormvariate(4.6, 0.5) for _ in range(460)] for hour in hours]
    encoded = [Latencies.of(Histogram.of(day)).encode() for day in days]
    await store.prepare()
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT id FROM websites ORDER BY id")
        ids = [website_id for (website_id,) in await cursor.fetchall()]
        await connection.execute(_DAY, [hour_s - DAY_S, hour_s, encoded])
        await connection.execute("UPDATE figures_as_of SET until = to_timestamp(%s)", [hour_s])
    pages: list[Handed] = []
    for at_s, shift in ((hour_s - DAY_S, 0), (hour_s, 7)):
        for first in range(0, len(ids), _AT_ONCE):
            part = enumerate(ids[first : first + _AT_ONCE], first + 1 + shift)
            totals = [_totals(website_id, at_s, hours[n % _SHAPES]) for n, website_id in part]
            stored = await store.store_hours(totals, at_s, {})
            if at_s == hour_s and stored is not None:
                pages.append({website_id: [rollup] for website_id, rollup in stored})
    async with pool.connection() as connection:
        await connection.set_autocommit(True)
        await connection.execute("VACUUM ANALYZE")
    return pages


def _totals(website_id: UUID, hour_s: int, responses_ms: list[float]) -> Totals:
    slots = list(range(hour_s, hour_s + HOUR_S, HOUR_S // len(responses_ms)))
    return Totals(website_id, "europe", len(slots), len(slots), 0, responses_ms, slots)


async def _written(pool: Any) -> int:
    """Bytes of the write-ahead log so far."""
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int((await cursor.fetchone())[0])


async def _measure(url: str, roots: dict[str, int], influx: str, websites: int) -> None:
    fill(url, new_ids(websites))
    hour_s = int(time.time()) // HOUR_S * HOUR_S - HOUR_S
    kept = {"raw_days": 30, "rollup_days": 400}
    async with make_pool(url) as pool:
        store: InfluxTicks | PostgresTicks = PostgresTicks(pool, **kept)
        if influx:
            store = InfluxTicks(InfluxHttp(influx, None, None, compress=False), BUCKET, **kept)
        try:
            pages = await _prepare(pool, store, hour_s)
            await _report(pool, roots, websites, lambda: _add(store, pool, hour_s, pages))
        finally:
            await store.close()


async def _add(store: TickStore, pool: Any, hour_s: int, pages: list[Handed]) -> int:
    """The hourly pass, beside a roll-up and after it."""
    figures = HourlyFigures(pool, store, lambda: Throttle(_no_rest))
    take = await figures.beside(hour_s)
    for page in pages:
        await take(page)
    return await figures.add(hour_s)


async def _report(
    pool: Any, others: dict[str, int], websites: int, work: Callable[[], Awaitable[int]]
) -> None:
    roots = {**others, "ours": os.getpid()}
    written, before, began = await _written(pool), proc.cpu_us(roots), time.monotonic()
    hours = await work()
    took_s, after = time.monotonic() - began, proc.cpu_us(roots)
    written = await _written(pool) - written
    used = {name: (after[name] - before[name]) / websites for name in roots}
    used["ours"] -= sum(used[name] for name in others)  # which are children of this process
    each = ", ".join(f"{name} {us:.1f}" for name, us in used.items())
    print(
        f"{hours} hour of {websites} websites in {took_s:.1f} s; us a website: {each};"
        f" log {written / websites:.0f} bytes"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.hourly_figures", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--websites", type=int, default=50_000)
    parser.add_argument("--store", choices=["influx", "postgres"], default="postgres")
    options = parser.parse_args()
    collect_garbage_rarely()  # as workers do
    with ExitStack() as stack:
        url, pid = stack.enter_context(postgres_alone())
        roots, influx = {"postgres": pid}, ""
        if options.store == "influx":
            influx, roots["influxd"] = stack.enter_context(influxd_alone(options.websites))
        asyncio.run(_measure(url, roots, influx, options.websites))


if __name__ == "__main__":
    main()
