"""Thirty days of roll-ups for some websites, put straight into the tick store."""

from __future__ import annotations

import asyncio
import math
import time
import urllib.request
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import psycopg
from bench.stack import Stack

from monitor.domain.rollup import Rollup
from monitor.domain.series import HOUR_S
from monitor.runtime.settings import Settings, load
from monitor.storage.timeseries.line_protocol import encode_hour
from monitor.storage.timeseries.open import make_tick_store

DAYS = 30
_LINES = 20_000


def seed(stack: Stack, websites: int) -> list[UUID]:
    """Write them; returns the websites that have them, spread over all there are."""
    settings = load(stack.environment())
    asyncio.run(_prepare(settings))
    ids = _spread(stack.database_url, stack.options.sites, websites)
    lines = rollups(ids, stack.options.regions[0], stack.options.interval_s, int(time.time()))
    while part := list(islice(lines, _LINES)):
        _write(settings, b"\n".join(part))
    return ids


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


def rollups(ids: list[UUID], region: str, interval_s: int, now_s: int) -> Iterator[bytes]:
    """A line for every hour of the last 30 days that is over, website after website."""
    this_hour, checks = now_s - now_s % HOUR_S, HOUR_S // interval_s
    for number, website_id in enumerate(ids):
        for back in range(DAYS * 24, 0, -1):
            # By the time of the day, as real sites are, and each with a level of its own.
            mean_ms = 40 + number % 50 + 20 * math.sin(back * math.pi / 12)
            hour = Rollup(
                region=region,
                start_s=this_hour - back * HOUR_S,
                checks=checks,
                up=checks,
                out_of_turn=0,
                expected=checks,
                measured=checks,
                total_ms=checks * mean_ms,
                max_ms=4 * mean_ms,
                histogram=None,
            )
            yield encode_hour(website_id, hour)


def _write(settings: Settings, body: bytes) -> None:
    request = urllib.request.Request(
        f"{settings.influxdb_url}/write?db={settings.influxdb_bucket}_hourly&precision=s",
        data=body,
        headers={"Content-Type": "text/plain; charset=utf-8"},
    )
    with urllib.request.urlopen(request, timeout=120):
        pass  # 204; anything but 2xx is raised
