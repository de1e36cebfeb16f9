"""Tick stores without their server."""

import asyncio

import pytest
from psycopg_pool import AsyncConnectionPool

from monitor.domain.errors import SettingsError, Unavailable
from monitor.local.redis import free_port
from support.tick_store import tick_store
from support.ticks import (
    HOUR,
    SHOP,
    up,
)


async def _unreachable_influx(act):
    store = tick_store(influx=(f"http://127.0.0.1:{free_port()}", "website_ticks"))
    try:
        await act(store)
    finally:
        await store.close()


async def _unreachable_postgres(act):
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere"
    async with AsyncConnectionPool(url, min_size=1, timeout=0.2, open=False) as pool:
        await act(tick_store(pool=pool))


CALLS = {
    "prepare": lambda store: store.prepare(),
    "write": lambda store: store.write([up(HOUR)]),
    "raw_buckets": lambda store: store.raw_buckets(SHOP, None, HOUR, HOUR + 60, 60),
    "hourly_buckets": lambda store: store.hourly_buckets(SHOP, None, HOUR, HOUR + 60),
    "roll_up": lambda store: store.roll_up(HOUR),
    "last_rolled_up": lambda store: store.last_rolled_up(),
    "ticks": lambda store: store.ticks(SHOP, HOUR, HOUR + 60),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("server", [_unreachable_influx, _unreachable_postgres])
def test_a_server_that_is_not_there_is_unavailable(server, call):
    async def act(store):
        with pytest.raises(Unavailable):
            await call(store)

    asyncio.run(server(act))


def test_without_a_server_both_settings_are_named():
    with pytest.raises(SettingsError, match=r"INFLUXDB_URL.*DATABASE_URL"):
        tick_store()
