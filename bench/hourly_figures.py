"""What the hourly figures of lists cost a website and hour: one minute.

    python -m bench.hourly_figures [--websites 50000]

Fills a PostgreSQL of its own with websites that were up for a day, and with their roll-ups of the
last hour and of the one a day before it, 20 checks in each. Then runs the hourly pass without its
pauses, and prints its CPU, of ours and of Postgres, and what it wrote.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from monitor.domain.histogram import Histogram
from monitor.domain.latencies import Latencies
from monitor.domain.series import DAY_S, HOUR_S
from monitor.local.postgres import EmbeddedPostgres
from monitor.runtime.process import collect_garbage_rarely
from monitor.services.websites.hourly_figures import HourlyFigures
from monitor.storage.postgres.migrations import migrate
from monitor.storage.postgres.pool import make_pool
from monitor.storage.timeseries import partitions
from monitor.storage.timeseries.open import make_tick_store
from monitor.storage.timeseries.throttle import Throttle

from . import proc
from .lists import fill, new_ids
from .servers import open_way

_SHAPES = 50
"""Different histograms."""

_HOUR = """
INSERT INTO tick_rollups
       (website_id, region, hour, checks, up, measured, mean_ms, max_ms, expected)
SELECT id, 'europe', to_timestamp(%s), 20, 20, 20, 100, 300, 20 FROM websites
"""
_HISTOGRAMS = """
INSERT INTO tick_histograms (website_id, region, hour, histogram)
SELECT id, 'europe', to_timestamp(%s), (%s::bytea[])[1 + n %% 50]
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM websites) w
"""
_DAY = """
UPDATE website_latencies SET since_s = %s, until_s = %s, histogram = (%s::bytea[])[1 + n %% 50]
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM websites) w WHERE id = website_id
"""


async def _no_rest(_seconds: float) -> None:
    """Go on at once."""


async def _prepare(pool: Any, hour_s: int) -> None:
    """The roll-ups of this hour and of the one a day before, and the day that ends between."""
    rng = random.Random(1)
    hours = [Histogram.of(rng.lognormvariate(4.6, 0.5) for _ in range(20)) for _ in range(_SHAPES)]
    others = [Histogram.of(rng.lognormvariate(4.6, 0.5) for _ in range(460)) for _ in hours]
    days = [Histogram.merged(pair) for pair in zip(hours, others, strict=True)]
    for at_s in (hour_s, hour_s - DAY_S):
        day = dt.datetime.fromtimestamp(at_s, dt.UTC).date()
        tables = (partitions.HOURS, partitions.HISTOGRAMS)
        await partitions.create(pool, [partitions.of(table, day) for table in tables])
        async with pool.connection() as connection:
            await connection.execute(_HOUR, [at_s])
            await connection.execute(_HISTOGRAMS, [at_s, [h.encode() for h in hours]])
    async with pool.connection() as connection:
        await connection.execute(
            _DAY, [hour_s - DAY_S, hour_s, [Latencies.of(d).encode() for d in days]]
        )
        await connection.execute("UPDATE figures_as_of SET until = to_timestamp(%s)", [hour_s])
        await connection.execute("VACUUM ANALYZE")
    print(
        f"bytes of a histogram: of an hour {sum(len(h.encode()) for h in hours) / _SHAPES:.0f},"
        f" of a day {sum(len(Latencies.of(d).encode()) for d in days) / _SHAPES:.0f}"
    )


async def _written(pool: Any) -> int:
    """Bytes of the write-ahead log so far."""
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int((await cursor.fetchone())[0])


async def _measure(server: EmbeddedPostgres, websites: int) -> None:
    url = server.url("monitor")
    fill(url, new_ids(websites))
    hour_s = int(time.time()) // HOUR_S * HOUR_S - HOUR_S
    async with make_pool(url) as pool:
        await _prepare(pool, hour_s)
        store = make_tick_store(
            influxdb_url=None, influxdb_token=None, influxdb_org=None, influxdb_bucket="",
            pool=pool, raw_days=30, rollup_days=400,
        )  # fmt: skip
        figures = HourlyFigures(pool, store, lambda: Throttle(_no_rest))
        postmaster = (server.directory / "postmaster.pid").read_text().split()[0]
        roots = {"postgres": int(postmaster), "ours": os.getpid()}
        written, before, began = await _written(pool), proc.cpu_us(roots), time.monotonic()
        hours = await figures.add(hour_s)
        took_s, after = time.monotonic() - began, proc.cpu_us(roots)
        written = await _written(pool) - written
    used = {name: (after[name] - before[name]) / websites for name in roots}
    used["ours"] -= used["postgres"]  # which is a child of this process
    print(
        f"{hours} hour of {websites} websites in {took_s:.1f} s; us a website: ours"
        f" {used['ours']:.1f}, postgres {used['postgres']:.1f}; log {written / websites:.0f} bytes"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.hourly_figures", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--websites", type=int, default=50_000)
    options = parser.parse_args()
    collect_garbage_rarely()  # as workers do
    with tempfile.TemporaryDirectory(prefix="monitor-figures-") as name:
        open_way(Path(name))
        server = EmbeddedPostgres(Path(name) / "postgres")
        server.start()
        try:
            migrate(server.url("monitor"))
            asyncio.run(_measure(server, options.websites))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
