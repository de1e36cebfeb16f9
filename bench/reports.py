"""What availability reports take: of one website and of a page, by the length of the window.

    python -m bench.reports [--websites 20000] [--days 365] [--rounds 200]

Fills a Postgres of its own with the days of every website, the hours of today and a few ticks,
incidents and flips, and asks for reports of websites at random, one after the other. Prints a line
for each kind. What HTTP adds is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

from monitor.domain.histogram import Histogram
from monitor.domain.series import DAY_S, HOUR_S
from monitor.local.postgres import EmbeddedPostgres
from monitor.local.redis import EmbeddedRedis
from monitor.resources.report_window import WindowQuery
from monitor.services.reports import sla
from monitor.services.reports.gather import Sources
from monitor.services.reports.sla import Listing
from monitor.services.websites.latest import Query
from monitor.storage.postgres import migrations
from monitor.storage.postgres.pool import Pool, make_pool
from monitor.storage.redis.client import make_client
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries import partitions
from monitor.storage.timeseries.contract import KeptDays
from monitor.storage.timeseries.postgres import PostgresTicks

from . import figures
from .servers import open_way

_EVERY_S = 180
_SETTINGS = {"fsync": "off", "shared_buffers": "512MB", "max_wal_size": "8GB"}

_WEBSITES = """
INSERT INTO websites (id, url, name, all_regions, check_frequency, options, alert_emails,
                      created_at)
SELECT gen_random_uuid(), 'http://a.example/' || n, 'website ' || n, true, %(every)s,
       '{"kind": "http"}', '{}', to_timestamp(%(since)s)
  FROM generate_series(1, %(websites)s) n
"""
_PERIODS = """
INSERT INTO website_periods (website_id, since, check_frequency)
SELECT id, created_at, check_frequency FROM websites
"""
_REGIONS = (
    "INSERT INTO regions (name) VALUES ('europe')",
    "INSERT INTO region_periods (region, since) VALUES ('europe', to_timestamp(0))",
)
_DAYS = """
INSERT INTO tick_days (website_id, region, day, checks, up, out_of_turn, expected, measured,
                       total_ms, max_ms, histogram)
SELECT w.id, 'europe', to_timestamp(d), 480, 480, 0, 480, 480, 48000, 400, %(histogram)s
  FROM generate_series(%(since)s, %(today)s - 86400, 86400) d, websites w
"""
_HOURS = """
INSERT INTO tick_rollups (website_id, region, hour, checks, up, measured, mean_ms, max_ms,
                          expected)
SELECT w.id, 'europe', to_timestamp(h), 20, 20, 20, 100, 400, 20
  FROM generate_series(%(today)s - 86400, %(hour)s - 3600, 3600) h, websites w
"""
_HISTOGRAMS = """
INSERT INTO tick_histograms (website_id, region, hour, histogram)
SELECT website_id, region, hour, %(histogram)s FROM tick_rollups
"""
_TICKS = """
INSERT INTO ticks (website_id, region, slot, up, status_code, response_ms, dns_ms, connect_ms,
                   tls_ms, wait_ms, transfer_ms)
SELECT w.id, 'europe', to_timestamp(s), true, 200, 100, 0, 10, 0, 90, 0
  FROM generate_series(%(hour)s, %(now)s, %(every)s) s, websites w
"""
_INCIDENTS = """
INSERT INTO incidents (id, website_id, started_at, resolved_at, cause, regions, resolution)
SELECT gen_random_uuid(), w.id, to_timestamp(d), to_timestamp(d + 600), 'time_out', '{europe}',
       'recovered'
  FROM generate_series(%(since)s, %(today)s, 7 * 86400) d, websites w
"""
_FLIPS = """
INSERT INTO flips (website_id, region, at, verdict, slot)
SELECT w.id, 'europe', to_timestamp(d + late), CASE late WHEN 0 THEN 'down' ELSE 'up' END,
       to_timestamp(d + late)
  FROM generate_series(%(since)s, %(today)s, 7 * 86400) d, unnest(ARRAY[0, 600]) late, websites w
"""
_DONE = """
INSERT INTO rolled_up_days (first_day, last_day)
VALUES (to_timestamp(%(since)s), to_timestamp(%(today)s - 86400))
"""


async def _fill(pool: Pool, options: argparse.Namespace, now_s: int) -> None:
    today_s = now_s // DAY_S * DAY_S
    values = {
        "websites": options.websites,
        "every": _EVERY_S,
        "since": today_s - options.days * DAY_S,
        "today": today_s,
        "hour": now_s // HOUR_S * HOUR_S,
        "now": now_s,
        "histogram": Histogram.of(random.lognormvariate(4.5, 0.4) for _ in range(480)).encode(),
    }
    days = range(today_s - options.days * DAY_S, today_s + DAY_S, DAY_S)
    needed = {
        partitions.of(table, dt.datetime.fromtimestamp(day_s, dt.UTC).date())
        for day_s in days
        for table in partitions.TABLES
        if table == partitions.DAYS or day_s >= today_s - DAY_S
    }
    await partitions.create(pool, needed)
    statements = (
        *_REGIONS, _WEBSITES, _PERIODS, _DAYS, _HOURS, _HISTOGRAMS, _TICKS, _INCIDENTS, _FLIPS,
        _DONE,
    )  # fmt: skip
    async with pool.connection() as connection:
        await connection.execute("SET statement_timeout = 0")
        for statement in statements:
            await connection.execute(statement.encode(), values)
    async with pool.connection() as connection:
        await connection.set_autocommit(True)
        await connection.execute("VACUUM ANALYZE")


async def _time(name: str, rounds: int, ask: Callable[[], Awaitable[object]]) -> None:
    took_ms, cpu_s = [], time.process_time()
    for _ in range(rounds):
        began = time.monotonic()
        await ask()
        took_ms.append((time.monotonic() - began) * 1000)
    p50, p99 = (figures.percentile(took_ms, q) for q in (50, 99))
    cpu_ms = (time.process_time() - cpu_s) * 1000 / rounds
    print(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, own CPU {cpu_ms:.1f} ms", flush=True)


async def _measure(pool: Pool, sources: Sources, options: argparse.Namespace) -> None:
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT id FROM websites ORDER BY random() LIMIT 5000")
        ids: list[UUID] = [row[0] for row in await cursor.fetchall()]
    for days in (1, 30, options.days):
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(sources.now_s - days * DAY_S + 60))
        asked = WindowQuery(since)
        await _time(
            f"one website, {days} days",
            options.rounds,
            lambda asked=asked: sla.of_website(sources, random.choice(ids), asked, None),
        )

        async def page(asked: WindowQuery = asked) -> object:
            return await (await Listing.begin(sources, Query(), asked, None)).next(100)

        await _time(f"100 websites, {days} days", max(options.rounds // 40, 1), page)


async def _run(postgres: EmbeddedPostgres, redis_url: str, options: argparse.Namespace) -> None:
    now_s = int(time.time())
    await asyncio.to_thread(migrations.migrate, postgres.url())
    redis = make_client(redis_url)
    async with make_pool(postgres.url(), max_size=8) as pool:
        began = time.monotonic()
        await _fill(pool, options, now_s)
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
        await TickBuffer(redis, 0).note_rolled_up(now_s // HOUR_S * HOUR_S - HOUR_S)
        kept = KeptDays(30, 400, 1100)
        ticks = PostgresTicks(pool, raw_days=30, rollup_days=400)
        sources = Sources(pool, redis, ticks, kept, now_s, asyncio.Semaphore(2))
        await _measure(pool, sources, options)
    await redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.reports", description=(__doc__ or "").partition("\n")[0]
    )
    for name, default in (("websites", 20_000), ("days", 365), ("rounds", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-reports-") as directory:
        open_way(Path(directory))
        postgres = EmbeddedPostgres(Path(directory) / "postgres", _SETTINGS)
        redis = EmbeddedRedis(Path(directory) / "redis")
        try:
            postgres.start()
            redis.start()
            asyncio.run(_run(postgres, redis.url, options))
        finally:
            redis.stop()
            postgres.stop()


if __name__ == "__main__":
    main()
