"""What is known to keep workers from starting is looked at before anything is started."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from monitor.domain.errors import Misconfigured, Unavailable
from monitor.runtime.settings import Settings
from monitor.services.doctor import disk, open_files, shared_memory
from monitor.services.doctor.finding import must_not_fail
from monitor.storage.timeseries.open import open_tick_store

_ASK_FOR_S = 5.0


def must_carry(settings: Settings) -> None:
    """Raise MonitorError, which says what to do, where this machine cannot carry a stack."""
    must_not_fail(shared_memory.look())
    must_not_fail(open_files.look(settings.monitor_concurrency))
    must_not_fail(disk.look(settings.monitor_data_dir.resolve()))


def must_store_ticks(settings: Settings, say: Callable[[str], None]) -> None:
    """Make what InfluxDB lacks, and raise Misconfigured where it cannot be used as it is needed.

    ``say`` gets what is worth knowing otherwise; a server that does not answer may still come.
    """
    if settings.influxdb_url is None:
        return
    try:
        remarks = asyncio.run(_remarks(settings))
    except Misconfigured:
        raise
    except (Unavailable, TimeoutError) as error:
        why = str(error) or f"no answer within {_ASK_FOR_S:g} s"
        say(f"the tick store does not answer yet, is INFLUXDB_URL right? ({why})")
    else:
        for remark in remarks:
            say(f"InfluxDB: {remark}")


async def _remarks(settings: Settings) -> list[str]:
    store = open_tick_store(settings, None)
    try:
        async with asyncio.timeout(_ASK_FOR_S):
            await store.prepare()
            return await store.check()
    finally:
        await store.close()
