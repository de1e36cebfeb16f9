"""The tick store: whether it answers, its version, and for how long it keeps what it holds."""

from __future__ import annotations

from urllib.parse import urlsplit

from monitor.domain.errors import SettingsError, Unavailable
from monitor.runtime.settings import Settings
from monitor.services.doctor.check import Check, Context, reason
from monitor.services.doctor.finding import Finding, Report
from monitor.storage.timeseries.contract import KeptDays, TickStore
from monitor.storage.timeseries.open import make_tick_store

_REPORT = Report("tick store")


async def look(context: Context) -> Finding:
    s = context.settings
    store = make_tick_store(
        influxdb_url=s.influxdb_url,
        influxdb_token=s.influxdb_token,
        influxdb_org=s.influxdb_org,
        influxdb_bucket=s.influxdb_bucket,
        pool=context.pool,
        raw_days=s.monitor_raw_days,
        rollup_days=s.monitor_rollup_days,
        daily_days=s.monitor_daily_days,
    )
    try:
        return await _look(store, s)
    finally:
        await store.close()


async def _look(store: TickStore, settings: Settings) -> Finding:
    try:
        return judge(await store.ping(), await store.kept_days(), _expected(settings))
    except SettingsError as error:  # it lacks a bucket
        return _REPORT.failed("its bucket is missing", str(error).removesuffix("."))
    except Unavailable as error:
        if error.dependency == "postgres":
            raise
        where = urlsplit(settings.influxdb_url or "")
        return _REPORT.failed(
            f"InfluxDB at {where.hostname}:{where.port}: {reason(error)}",
            "start it, or correct INFLUXDB_URL or INFLUXDB_TOKEN",
        )


def _expected(settings: Settings) -> KeptDays:
    return KeptDays(
        settings.monitor_raw_days, settings.monitor_rollup_days, settings.monitor_daily_days
    )


def judge(version: str, kept: KeptDays | None, expected: KeptDays) -> Finding:
    """The finding for a server that keeps ticks and roll-ups so long. Pure.

    ``kept``: None where it does not say.
    """
    if kept is None:
        return _REPORT.ok(f"{version}; how long it keeps what it holds is set there")
    shorter = [
        f"{what} for {f'{days} days' if days else 'ever'} instead of {of_settings} ({setting})"
        for what, days, of_settings, setting in (
            ("ticks", kept.raw, expected.raw, "MONITOR_RAW_DAYS"),
            ("hourly roll-ups", kept.rollups, expected.rollups, "MONITOR_ROLLUP_DAYS"),
            ("daily ones", kept.daily, expected.daily, "MONITOR_DAILY_DAYS"),
        )
        if days != of_settings
    ]
    if shorter:
        return _REPORT.warning(
            f"{version} keeps {' and '.join(shorter)}",
            "restart the central workers, which set it, or give all processes the same settings",
        )
    return _REPORT.ok(
        f"{version}, ticks for {kept.raw} days, hours for {kept.rollups}, days for {kept.daily}"
    )


CHECK = Check(_REPORT, look, if_silent="see whether it hangs or has too much to do; restart it")
