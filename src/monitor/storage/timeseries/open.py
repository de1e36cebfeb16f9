"""Opens the tick store: InfluxDB if its URL is set, else Postgres."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from monitor.domain.errors import SettingsError
from monitor.runtime.settings import Settings
from monitor.storage.postgres.pool import Pool
from monitor.storage.timeseries.contract import DAILY_DAYS, TickStore
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from monitor.storage.timeseries.influxdb_points import Dropped
from monitor.storage.timeseries.postgres import PostgresTicks


def open_tick_store(
    settings: Settings, pool: Pool | None, *, dropped: Dropped | None = None
) -> TickStore:
    """The store for these settings. It connects on first use.

    ``dropped`` counts points that the store keeps out for good. The caller closes ``pool``. Raises
    SettingsError where neither server is set.
    """
    return make_tick_store(
        influxdb_url=settings.influxdb_url,
        influxdb_token=settings.influxdb_token,
        influxdb_org=settings.influxdb_org,
        influxdb_bucket=settings.influxdb_bucket,
        pool=pool,
        raw_days=settings.monitor_raw_days,
        rollup_days=settings.monitor_rollup_days,
        daily_days=settings.monitor_daily_days,
        dropped=dropped,
    )


def make_tick_store(
    *,
    influxdb_url: str | None,
    influxdb_token: str | None,
    influxdb_org: str | None,
    influxdb_bucket: str,
    pool: Pool | None,
    raw_days: int,
    rollup_days: int,
    daily_days: int = DAILY_DAYS,
    dropped: Dropped | None = None,
) -> TickStore:
    """The same, from its parts."""
    if influxdb_url is not None:
        remote = not is_loopback(influxdb_url)
        http = InfluxHttp(influxdb_url, influxdb_token, influxdb_org, compress=remote)
        return InfluxTicks(
            http,
            influxdb_bucket,
            raw_days=raw_days,
            rollup_days=rollup_days,
            daily_days=daily_days,
            dropped=dropped,
        )
    if pool is not None:
        return PostgresTicks(
            pool, raw_days=raw_days, rollup_days=rollup_days, daily_days=daily_days
        )
    raise SettingsError("Neither INFLUXDB_URL nor DATABASE_URL is set: ticks need one of them.")


def is_loopback(url: str) -> bool:
    """Whether this server is on the same machine, where compression gains nothing."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
