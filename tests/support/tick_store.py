"""A tick store with what tests leave as it is."""

import datetime as dt
from contextlib import asynccontextmanager

from monitor.storage.timeseries import line_protocol, partitions, postgres_rollups
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from monitor.storage.timeseries.open import make_tick_store


def tick_store(*, influx=(None, "website_ticks"), pool=None, raw_days=30, rollup_days=400):
    return make_tick_store(
        influxdb_url=influx[0],
        influxdb_token=None,
        influxdb_org=None,
        influxdb_bucket=influx[1],
        pool=pool,
        raw_days=raw_days,
        rollup_days=rollup_days,
    )


@asynccontextmanager
async def opened(url, bucket="website_ticks", *, token=None, timeout_s=10.0, raw_days=30):
    """A store on an InfluxDB that is spoken to as one on another machine."""
    http = InfluxHttp(url, token, None, timeout_s=timeout_s)
    store = InfluxTicks(http, bucket, raw_days=raw_days, rollup_days=400)
    try:
        yield store
    finally:
        await store.close()


async def write_days(store, website_id, days):
    """Store daily roll-ups as a roll-up of that day would."""
    if isinstance(store, InfluxTicks):
        lines = [line_protocol.encode_day(website_id, day) for day in days]
        await store._points.store(store._daily, lines)
        return
    for day in days:
        month = partitions.of(
            partitions.DAYS, dt.datetime.fromtimestamp(day.start_s, dt.UTC).date()
        )
        row = postgres_rollups.day_row(website_id, [day], day.start_s, {})
        await store._store(postgres_rollups.STORE_DAYS, [month], [row])
