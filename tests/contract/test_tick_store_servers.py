"""Tick stores without their server, or with one that is far away."""

from contextlib import asynccontextmanager

import pytest
from psycopg_pool import AsyncConnectionPool

from monitor.domain.errors import SettingsError, Unavailable
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from monitor.storage.timeseries.open import is_loopback
from support.factories import SHOP
from support.ports import free_port
from support.tick_store import tick_store
from support.ticks import HOUR, up


@asynccontextmanager
async def _unreachable_influx():
    store = tick_store(influx=(f"http://127.0.0.1:{free_port()}", "website_ticks"))
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _unreachable_postgres():
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere"
    async with AsyncConnectionPool(url, min_size=1, timeout=0.2, open=False) as pool:
        yield tick_store(pool=pool)


CALLS = {
    "prepare": lambda store: store.prepare(),
    "write": lambda store: store.write([up(HOUR)]),
    "raw_buckets": lambda store: store.raw_buckets(SHOP, None, HOUR, HOUR + 60, 60),
    "hourly": lambda store: store.hourly([SHOP], None, HOUR, HOUR + 60),
    "histograms": lambda store: store.histograms([SHOP], HOUR, HOUR + 60),
    "roll_up": lambda store: store.roll_up(HOUR),
    "last_rolled_up": lambda store: store.last_rolled_up(),
    "ticks": lambda store: store.ticks(SHOP, HOUR, HOUR + 60),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("server", [_unreachable_influx, _unreachable_postgres])
async def test_unreachable_server_raises_unavailable(server, call):
    async with server() as store:
        with pytest.raises(Unavailable):
            await call(store)


@pytest.mark.parametrize("compress", [True, False])
async def test_a_large_write_is_stored_compressed_or_not(influx_database, compress):
    # given
    url, database = influx_database
    ticks = [up(HOUR + n) for n in range(1000)]
    http = InfluxHttp(url, None, None, compress=compress)
    store = InfluxTicks(http, database, raw_days=30, rollup_days=400)
    # when
    try:
        await store.prepare()
        await store.write(ticks)
        stored = await store.ticks(SHOP, HOUR, HOUR + 1000)
    finally:
        await store.close()
    # then
    assert [t.slot_s for t in stored] == [t.slot_s for t in ticks]


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:8086", True),
        ("https://localhost", True),
        ("http://[::1]:8086/", True),
        ("http://influxdb:8086", False),
        ("http://10.0.0.7:8086", False),
        ("http://localhost.example", False),
        ("http://[", False),
    ],
)
def test_only_remote_writes_are_compressed(url, near):
    assert is_loopback(url) is near


def test_without_a_server_both_settings_are_named():
    with pytest.raises(SettingsError, match=r"INFLUXDB_URL.*DATABASE_URL"):
        tick_store()
