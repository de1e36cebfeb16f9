"""InfluxDB is down for ten minutes: ticks wait in Redis, and come later with their own times."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Unavailable
from monitor.services.checks.check import check_batch
from monitor.services.checks.ticks import TickUpkeep
from monitor.storage.redis.client import client
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.circuit_breaker import CircuitBreaker
from monitor.storage.timeseries.grouped import GroupedWrites
from monitor.storage.timeseries.influxdb import InfluxTicks
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from support.breakable import start_influx
from support.factories import batch_message
from support.influx import need_influxd
from support.ticks import HOUR

INTERVAL_S = 30
TEN_MINUTES = range(HOUR + 60, HOUR + 660, INTERVAL_S)
BEFORE = range(HOUR, HOUR + 60, INTERVAL_S)
AFTER = range(HOUR + 660, HOUR + 720, INTERVAL_S)
WEBSITES = 20


@pytest.fixture
def influx(tmp_path):
    need_influxd()
    server = start_influx(tmp_path / "influx")
    yield server
    server.close()


@asynccontextmanager
async def _store(influx):
    http = InfluxHttp(influx.url, None, None, timeout_s=30)
    store = InfluxTicks(http, "website_ticks", raw_days=30, rollup_days=400)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _worker(world, influx, redis_url, buffer_bytes=2**20):
    """A region worker as its process makes it, with nothing of another one's."""
    async with _store(influx) as store, client(redis_url) as redis:
        breaker = CircuitBreaker(store.write, retry_every_s=0)
        worker = replace(
            world.worker(),
            ticks=GroupedWrites(breaker.write, linger_s=0),
            buffer=TickBuffer(redis, buffer_bytes),
        )
        try:
            yield worker
        finally:
            await breaker.close()


async def _check(world, worker, slots):
    for slot_s in slots:
        world.now_s = slot_s + 1
        batch = batch_message(interval_s=INTERVAL_S, slot_ms=slot_s * 1000)
        await check_batch(worker, batch)


async def _given(world):
    await world.add_region("europe")
    websites = [await world.add_website(every=INTERVAL_S) for _ in range(WEBSITES)]
    await world.sync()
    return websites


async def test_ten_minutes_without_influxdb_leave_no_gap(world, redis_url, influx):
    # given
    websites = await _given(world)
    async with _worker(world, influx, redis_url) as worker:
        await _check(world, worker, BEFORE)
        assert worker.meter.ticks_written == WEBSITES * len(BEFORE)
        # when it is down, and the worker is another one in the middle of it
        await asyncio.to_thread(influx.kill)
        await _check(world, worker, TEN_MINUTES[:10])
    async with _worker(world, influx, redis_url) as worker, _store(influx) as store:
        await _check(world, worker, TEN_MINUTES[10:])
        upkeep = TickUpkeep(store, world.buffer, world.now)
        with pytest.raises(Unavailable, match="influxdb"):
            await upkeep.write_buffered()
        # and back
        await asyncio.to_thread(influx.start)
        await _check(world, worker, AFTER)
        assert await upkeep.write_buffered() >= WEBSITES * len(TEN_MINUTES)
        # then
        slots = [*BEFORE, *TEN_MINUTES, *AFTER]
        for website in websites:
            found = await store.ticks(website, HOUR, HOUR + 3600)
            assert [t.slot_s for t in found] == slots
        assert await world.buffer.oldest() is None


async def test_beyond_the_bound_the_oldest_ticks_are_dropped_and_counted(world, redis_url, influx):
    # given room for about a third of them
    websites = await _given(world)
    await asyncio.to_thread(influx.kill)
    room = 20_000
    with capture_logs() as lines:
        async with _worker(world, influx, redis_url, room) as worker:
            # when
            await _check(world, worker, TEN_MINUTES)
            assert int(await world.redis.get("monitor:ticks:bytes")) <= room
            counted = worker.meter.chunks_dropped
    await asyncio.to_thread(influx.start)
    async with _store(influx) as store:
        await TickUpkeep(store, world.buffer, world.now).write_buffered()
        found = [t.slot_s for t in await store.ticks(websites[0], HOUR, HOUR + 3600)]
    # then the latest are there, and each chunk that went was counted and logged
    assert 0 < counted < len(TEN_MINUTES)
    assert found == list(TEN_MINUTES)[counted:]
    told = [x for x in lines if x["event"] == "ticks.kept_for_later"]
    assert sum(x["dropped_chunks"] for x in told) == counted
    assert {x["log_level"] for x in told} == {"warning"}
    assert (await Regions(world.redis).counters())["dropped_ticks:europe"] == counted
