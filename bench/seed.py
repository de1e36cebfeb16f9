"""Putting the websites in: straight into Postgres, then into Redis as an operator would."""

from __future__ import annotations

import asyncio
import os
import time
from uuid import UUID

import psycopg

from monitor.domain.ids import uuid7
from monitor.domain.outcome import Tick, Timings
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp

from .stack import Stack
from .stores import BUCKET

_COLUMNS = "id, url, name, all_regions, check_frequency, options, alert_emails"
_UP = (True, None, 200, 1.0, Timings(wait_ms=1.0))


def insert_regions(stack: Stack) -> None:
    with psycopg.connect(stack.database_url) as connection, connection.cursor() as cursor:
        names = [(name,) for name in stack.options.regions]
        cursor.executemany("INSERT INTO regions (name) VALUES (%s)", names)


def insert_websites(stack: Stack) -> None:
    """Websites with the defaults of the API, to be checked from all regions."""
    interval_s, now_ms = stack.options.interval_s, int(time.time() * 1000)
    fixed = (True, interval_s, '{"kind": "http"}', "{}")
    with (
        psycopg.connect(stack.database_url) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY websites ({_COLUMNS}) FROM STDIN") as copy,
    ):
        for number in range(stack.options.sites):
            website_id = uuid7(now_ms, os.urandom(10))
            copy.write_row((website_id, stack.targets.url(number), f"site {number}", *fixed))
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        for table in ("website_figures", "website_latencies"):
            connection.execute(f"INSERT INTO {table} (website_id) SELECT id FROM websites")
        connection.execute("ANALYZE websites, website_figures, website_latencies")


def first_tick(stack: Stack) -> None:
    """One tick of a website that there is not, in InfluxDB: what it does each second for ticks
    that it keeps is idling, too."""
    if stack.influx_url is not None:
        asyncio.run(_write(stack.influx_url, Tick(UUID(int=0), "none", int(time.time()), *_UP)))


async def _write(influx_url: str, tick: Tick) -> None:
    store = InfluxTicks(InfluxHttp(influx_url, None, None), BUCKET, raw_days=30, rollup_days=400)
    try:
        await store.write([tick])
    finally:
        await store.close()


def sync(stack: Stack) -> float:
    """`monitor sync`; returns the seconds it took."""
    began = time.monotonic()
    stack.run("monitor", "sync", within_s=600.0)
    return time.monotonic() - began
