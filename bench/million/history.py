"""A year of history for some websites, put straight into the tick store and Postgres.

A roll-up with its histogram for every hour of the last 30 days and every day of the last 400, up
all the time but for an outage of ten minutes a week, which Postgres has as an incident and two
flips.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from itertools import islice
from uuid import UUID

import psycopg
from bench.stack import Failed, Stack

from monitor.domain.histogram import Histogram
from monitor.domain.rollup import Rollup
from monitor.domain.series import DAY_S, HOUR_S
from monitor.runtime.settings import Settings, load
from monitor.storage.redis.client import client
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.line_protocol import encode_day, encode_histogram, encode_hour
from monitor.storage.timeseries.open import make_tick_store

HOURLY_DAYS = 30
DAYS = 400
_LINES = 20_000
_ATTEMPTS = 5
_LEVELS = 50
_AGED = (
    "DELETE FROM region_periods",
    "INSERT INTO region_periods (region, since) SELECT name, to_timestamp(0) FROM regions",
    "UPDATE websites SET created_at = to_timestamp(%(since)s) WHERE id = ANY(%(ids)s)",
    "DELETE FROM website_periods WHERE website_id = ANY(%(ids)s)",
    """INSERT INTO website_periods (website_id, since, check_frequency)
       SELECT id, created_at, check_frequency FROM websites WHERE id = ANY(%(ids)s)""",
    """INSERT INTO incidents (id, website_id, started_at, resolved_at, cause, regions, resolution)
       SELECT gen_random_uuid(), id, to_timestamp(began), to_timestamp(began + 600), 'timeout',
              ARRAY[%(region)s], 'recovered'
         FROM unnest(%(ids)s::uuid[]) id, generate_series(%(since)s, %(today)s, 7 * 86400) began""",
    """INSERT INTO flips (website_id, region, at, verdict, slot)
       SELECT id, %(region)s, to_timestamp(began + after), verdict, to_timestamp(began + after)
         FROM unnest(%(ids)s::uuid[]) id, generate_series(%(since)s, %(today)s, 7 * 86400) began,
              (VALUES (0, 'down'), (600, 'up')) flip (after, verdict)""",
    """UPDATE website_figures SET uptime_30d = 0.999 WHERE website_id = ANY(%(ids)s)""",
    """INSERT INTO rolled_up_days (first_day, last_day)
       VALUES (to_timestamp(%(since)s), to_timestamp(%(today)s - 86400))""",
)


def seed(stack: Stack, websites: int) -> list[UUID]:
    """Write it; returns the websites that have it, spread over all there are."""
    settings, now_s = load(stack.environment()), int(time.time())
    asyncio.run(_prepare(settings))
    ids = _spread(stack.database_url, stack.options.sites, websites)
    region, interval_s = stack.options.regions[0], stack.options.interval_s
    for bucket, lines in (
        ("_hourly", hours(ids, region, interval_s, now_s)),
        ("", histograms(ids, region, interval_s, now_s)),
        ("_daily", days(ids, region, interval_s, now_s)),
    ):
        while part := list(islice(lines, _LINES)):
            _write(settings, bucket, b"\n".join(part))
    _age(stack, ids, now_s)
    return ids


def _age(stack: Stack, ids: list[UUID], now_s: int) -> None:
    today_s = now_s - now_s % DAY_S
    region = stack.options.regions[0]
    values = {"ids": ids, "since": today_s - DAYS * DAY_S, "today": today_s, "region": region}
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        for statement in _AGED:
            connection.execute(statement.encode(), values)
        connection.execute("ANALYZE websites, website_periods, incidents, flips, website_figures")
    asyncio.run(_note_hours(stack.redis_url, now_s - now_s % HOUR_S - HOUR_S))


async def _note_hours(redis_url: str, last_s: int) -> None:
    """Every hour to this one is rolled up."""
    async with client(redis_url) as redis:
        await TickBuffer(redis, 0).note_rolled_up(last_s)


async def _prepare(settings: Settings) -> None:
    """Both databases, as the product makes them."""
    store = make_tick_store(
        influxdb_url=settings.influxdb_url,
        influxdb_token=None,
        influxdb_org=None,
        influxdb_bucket=settings.influxdb_bucket,
        pool=None,
        raw_days=settings.monitor_raw_days,
        rollup_days=settings.monitor_rollup_days,
        daily_days=settings.monitor_daily_days,
    )
    try:
        await store.prepare()
    finally:
        await store.close()


def _spread(database_url: str, sites: int, wanted: int) -> list[UUID]:
    question = """
        SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM websites) AS numbered
         WHERE n %% %s = 0 LIMIT %s"""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(question, [max(sites // wanted, 1), wanted]).fetchall()
    return [row[0] for row in rows]


def hours(ids: list[UUID], region: str, interval_s: int, now_s: int) -> Iterator[bytes]:
    """A line for every hour of the last 30 days that is over, website after website."""
    for number, website_id in enumerate(ids):
        for rollup in _hours(number, region, interval_s, now_s):
            yield encode_hour(website_id, rollup, p95_ms=2 * rollup.total_ms / rollup.checks)


def histograms(ids: list[UUID], region: str, interval_s: int, now_s: int) -> Iterator[bytes]:
    """The histograms of these hours."""
    for number, website_id in enumerate(ids):
        for rollup in _hours(number, region, interval_s, now_s):
            line = encode_histogram(website_id, rollup)
            assert line is not None  # something was measured
            yield line


def days(ids: list[UUID], region: str, interval_s: int, now_s: int) -> Iterator[bytes]:
    """A line for every day of the last 400 that is over, website after website."""
    today_s = now_s - now_s % DAY_S
    checks = DAY_S // interval_s
    for number, website_id in enumerate(ids):
        for back in range(DAYS, 0, -1):
            start_s = today_s - back * DAY_S
            yield encode_day(website_id, _rollup(region, start_s, checks, 40.0 + number % _LEVELS))


def _hours(number: int, region: str, interval_s: int, now_s: int) -> Iterator[Rollup]:
    this_hour = now_s - now_s % HOUR_S
    for back in range(HOURLY_DAYS * 24, 0, -1):
        # By the time of the day, as real sites are, and each with a level of its own.
        mean_ms = 40 + number % _LEVELS + 20 * math.sin(back * math.pi / 12)
        yield _rollup(region, this_hour - back * HOUR_S, HOUR_S // interval_s, mean_ms)


def _rollup(region: str, start_s: int, checks: int, mean_ms: float) -> Rollup:
    return Rollup(
        region=region,
        start_s=start_s,
        checks=checks,
        up=checks,
        out_of_turn=0,
        expected=checks,
        measured=checks,
        total_ms=checks * mean_ms,
        max_ms=4 * mean_ms,
        histogram=_histogram(round(mean_ms), checks),
    )


@cache
def _histogram(mean_ms: int, checks: int) -> Histogram:
    """Of response times that scatter as real ones do."""
    chance = random.Random(mean_ms)
    return Histogram.of(mean_ms * chance.lognormvariate(0.0, 0.25) for _ in range(checks))


def _write(settings: Settings, bucket: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"{settings.influxdb_url}/write?db={settings.influxdb_bucket}{bucket}&precision=s",
        data=body,
        headers={"Content-Type": "text/plain; charset=utf-8"},
    )
    for attempts_left in range(_ATTEMPTS - 1, -1, -1):
        try:
            with urllib.request.urlopen(request, timeout=120):
                return  # 204; anything but 2xx is raised
        except urllib.error.HTTPError as error:
            # It gives up after ten seconds, as where it makes thirty shards on a busy machine.
            if error.code != HTTPStatus.INTERNAL_SERVER_ERROR or not attempts_left:
                raise Failed(f"influxd answered {error.code}: {error.read(300)!r}") from error
