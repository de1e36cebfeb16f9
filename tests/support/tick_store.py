"""A tick store with what tests leave as it is."""

from monitor.storage.ticks.open import make_tick_store


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
