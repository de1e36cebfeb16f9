"""Lists of a million websites, sorted in every way and with their uptimes: three minutes.

    python -m bench.lists [--websites 1000000] [--pages 300]

Fills a PostgreSQL and a Redis of its own with websites that have a quarter of history: one in
twenty was down up to three times, one in a hundred a hundred times, one in fifty has gaps. Then
asks for pages of 100 in each order, each by the cursor of the one before, and prints a line for
each: what the whole answer took, without sockets. A sweep, which keeps the order by status, is
timed, too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import struct
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg

from monitor.api.app import create_app
from monitor.api.dependencies import Dependencies
from monitor.domain.access import Role
from monitor.domain.ids import uuid7
from monitor.domain.verdict import RegionState, Verdict
from monitor.local.postgres import EmbeddedPostgres
from monitor.local.redis import EmbeddedRedis
from monitor.services.access.keys import create_key
from monitor.services.websites.standings import StandingSweep
from monitor.storage.postgres.migrations import migrate
from monitor.storage.postgres.pool import make_pool
from monitor.storage.redis import keys
from monitor.storage.redis.client import make_client
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.staleness import Staleness
from monitor.storage.redis.states import States, pack
from monitor.storage.timeseries.open import make_tick_store

from . import figures
from .servers import open_way

_SORTS = (None, "name", "changed", "status", "uptime_30d", "p95_24h_ms")
_INTERVAL_S = 180

_FILL = """
INSERT INTO regions (name, created_at) VALUES ('europe', now() - interval '100 days');
INSERT INTO region_periods (region, since) VALUES ('europe', now() - interval '100 days');
INSERT INTO websites
       (id, url, name, all_regions, check_frequency, options, alert_emails, created_at)
SELECT id, 'https://www' || n || '.example/health', 'Site ' || md5(n::text), true, 180,
       '{"kind": "http"}', '{}', now() - interval '100 days' FROM ids;
INSERT INTO website_periods (website_id, since, check_frequency)
SELECT id, created_at, check_frequency FROM websites;
INSERT INTO incidents (id, website_id, started_at, resolved_at, cause, regions, resolution)
SELECT gen_random_uuid(), id, at, at + random() * interval '1 hour', 'timeout', '{europe}',
       'recovered'
  FROM (SELECT id, now() - random() * interval '90 days' - interval '2 hours' AS at
          FROM ids, generate_series(1, CASE WHEN n % 100 = 0 THEN 100
                                            WHEN n % 20 = 1 THEN 1 + n % 3 ELSE 0 END)) x;
INSERT INTO incidents (id, website_id, started_at, cause, regions)
SELECT gen_random_uuid(), id, now() - interval '10 minutes', 'timeout', '{europe}'
  FROM ids WHERE n % 200 = 7;
INSERT INTO website_latencies (website_id, p95_24h_ms) SELECT id, 20 + random() * 500 FROM ids;
INSERT INTO website_figures (website_id, standing, changed_at, uptime_30d)
SELECT id, CASE WHEN n % 200 = 7 THEN 0 ELSE 3 END, now() - random() * interval '100 days',
       CASE WHEN n % 20 < 2 THEN 1 - random() / 100 ELSE 1 END FROM ids;
INSERT INTO gaps (website_id, region, spans)
SELECT id, 'europe', (SELECT range_agg(int8range(s, s + 3600)) FROM generate_series(1, 5) g,
                      LATERAL (SELECT extract(epoch FROM now())::bigint - g * 1000000 AS s) x)
  FROM ids WHERE n % 50 = 3;
INSERT INTO figures_as_of (until) VALUES (date_trunc('hour', now()));
"""


def new_ids(count: int) -> list[UUID]:
    now_ms = int(time.time() * 1000) - 100 * 86_400_000
    return [uuid7(now_ms + n // 100, os.urandom(10)) for n in range(count)]


def fill(url: str, ids: list[UUID]) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMPORARY TABLE ids (n bigint, id uuid)")
        with connection.cursor().copy("COPY ids FROM STDIN") as copy:
            for row in enumerate(ids):
                copy.write_row(row)
        connection.execute(_FILL)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


async def _hold(redis: Any, ids: list[UUID]) -> None:
    """Every website was found up within the last interval."""
    now_s, rest = int(time.time()), iter(ids)
    while part := list(islice(rest, 10_000)):
        states = {
            i.bytes: pack(RegionState(now_s - n % _INTERVAL_S, Verdict.UP, now_s - 90_000))
            for n, i in enumerate(part)
        }
        await redis.hset(keys.state("europe"), mapping=states)
        positions = {i.bytes: struct.unpack(">I", i.bytes[12:])[0] for i in part}
        await redis.zadd(f"{keys.RING_PREFIX}europe:{_INTERVAL_S}", positions)
    await redis.sadd(keys.RINGS, f"europe:{_INTERVAL_S}")


async def _walk(
    client: httpx.AsyncClient, query: dict[str, str], pages: int, cursor: str | None
) -> tuple[list[float], str | None]:
    """Milliseconds of each page, and the cursor after the last."""
    times_ms = []
    for _ in range(pages):
        began = time.monotonic()
        at = {} if cursor is None else {"cursor": cursor}
        answer = await client.get("/monitor", params={"limit": "100", **query, **at})
        times_ms.append((time.monotonic() - began) * 1000)
        answer.raise_for_status()
        cursor = answer.json()["next_cursor"]
    return times_ms, cursor


def _queries() -> Iterator[dict[str, str]]:
    for sort in _SORTS:
        own = {} if sort is None else {"sort": sort}
        yield own
        yield own | {"include": "uptime"}


async def _measure(url: str, redis_url: str, options: argparse.Namespace) -> None:
    ids = new_ids(options.websites)
    fill(url, ids)
    redis = make_client(redis_url)
    await _hold(redis, ids)
    async with make_pool(url) as pool, make_pool(url) as reading:
        store = make_tick_store(
            influxdb_url=None, influxdb_token=None, influxdb_org=None, influxdb_bucket="",
            pool=reading, raw_days=30, rollup_days=400,
        )  # fmt: skip

        async def send(_outgoing: object) -> None:
            """Nobody is told."""

        dependencies = Dependencies(pool, reading, redis, store, send, time.time)
        key = await create_key(pool, "bench", Role.READ)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(dependencies)),
            base_url="http://bench", headers={"Authorization": f"Bearer {key}"},
        )  # fmt: skip
        for query in _queries():
            await _walk(client, query, 20, None)
            times_ms, _ = await _walk(client, query, options.pages, None)
            print(
                f"{query.get('sort', 'created'):11} {query.get('include', ''):7}"
                f" p50 {figures.percentile(times_ms, 50):6.1f} ms,"
                f" p99 {figures.percentile(times_ms, 99):6.1f} ms,"
                f" most {max(times_ms):6.1f} ms",
                flush=True,
            )
        await _sweep(pool, redis)
    await redis.aclose()


async def _sweep(pool: Any, redis: Any) -> None:
    """What a sweep of a minute costs, of ours and of Redis."""
    sweep = StandingSweep(pool, Projection(redis), Staleness(redis), States(redis), time.time)
    before = await redis.info("cpu")
    used, began = time.process_time(), time.monotonic()
    changed = await sweep.run()
    used, took_s = time.process_time() - used, time.monotonic() - began
    after = await redis.info("cpu")
    names = ("used_cpu_sys", "used_cpu_user")
    redis_s = sum(float(after[n]) - float(before[n]) for n in names)
    print(
        f"a sweep: {took_s:.2f} s; CPU: ours {used:.2f} s, Redis {redis_s:.2f} s; {changed} changed"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.lists", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--websites", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="monitor-lists-") as name:
        open_way(Path(name))
        postgres, redis = EmbeddedPostgres(Path(name) / "postgres"), EmbeddedRedis(Path(name) / "r")
        postgres.start()
        redis.start()
        try:
            migrate(postgres.url("monitor"))
            asyncio.run(_measure(postgres.url("monitor"), redis.url, options))
        finally:
            redis.stop()
            postgres.stop()


if __name__ == "__main__":
    main()
