"""The tick store: whether what is needed of it can be read and written, and is kept so long."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from monitor.domain.errors import Misconfigured, Unavailable
from monitor.runtime.settings import Settings
from monitor.services.doctor.check import Check, Context, reason
from monitor.services.doctor.finding import Finding, Report
from monitor.storage.timeseries.contract import TickStore
from monitor.storage.timeseries.open import open_tick_store

_REPORT = Report("tick store")


async def look(context: Context) -> Finding:
    store = open_tick_store(context.settings, context.pool)
    try:
        return await _look(store, context.settings)
    finally:
        await store.close()


async def _look(store: TickStore, settings: Settings) -> Finding:
    where = urlsplit(settings.influxdb_url or "")
    try:
        return judge(await store.ping(), await store.check(), settings)
    except Misconfigured as error:
        what, _, what_to_do = error.problem.partition(": ")
        return _REPORT.failed(f"InfluxDB at {where.hostname}:{where.port}: {what}", what_to_do)
    except Unavailable as error:
        if error.dependency == "postgres":
            raise
        return _REPORT.failed(
            f"InfluxDB at {where.hostname}:{where.port}: {reason(error)}",
            "start it, or correct INFLUXDB_URL or INFLUXDB_TOKEN",
        )


def judge(version: str, remarks: Sequence[str], settings: Settings) -> Finding:
    """The finding for a server that can be used. Pure. ``remarks``: see ``TickStore.check``."""
    if remarks:
        parts = [remark.partition(": ") for remark in remarks]
        return _REPORT.warning(
            f"{version}: {'; '.join(what for what, _, _ in parts)}",
            "; ".join(what_to_do for _, _, what_to_do in parts),
        )
    return _REPORT.ok(
        f"{version}, ticks for {settings.monitor_raw_days} days, hours for "
        f"{settings.monitor_rollup_days}, days for {settings.monitor_daily_days}"
    )


CHECK = Check(_REPORT, look, if_silent="see whether it hangs or has too much to do; restart it")
