"""Postgres keeps ticks in partitions: made ahead, made when missing, dropped past retention."""

import asyncio
import datetime as dt
import time
from contextlib import asynccontextmanager

import psycopg
import pytest

from monitor.domain.errors import Unavailable
from monitor.storage.postgres.pool import make_pool
from monitor.storage.timeseries.partitions import HOURS, TABLES, TICKS, needed_on, of
from monitor.storage.timeseries.postgres import PostgresTicks
from support.factories import SHOP
from support.ticks import HOUR, hourly_buckets, up

DAY = 86_400


@asynccontextmanager
async def open_store(url):
    async with make_pool(url) as pool:
        yield PostgresTicks(pool, raw_days=30, rollup_days=400)


def partitions(url):
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT relid::text FROM unnest(%s::text[]) t, pg_partition_tree(t::regclass)"
            " WHERE isleaf",
            [list(TABLES)],
        )
        return {name for (name,) in rows} - set(TABLES)


@pytest.mark.parametrize(
    ("today", "months"),
    [
        (dt.date(2026, 11, 23), ["tick_rollups_202611"]),
        (dt.date(2026, 12, 30), ["tick_rollups_202612", "tick_rollups_202701"]),
        (dt.date(2027, 3, 1), ["tick_rollups_202702", "tick_rollups_202703"]),
    ],
)
def test_yesterday_today_and_three_days_more_are_needed(today, months):
    # when
    needed = needed_on(today)
    # then
    days = [today + dt.timedelta(days=n) for n in range(-1, 4)]
    assert [p.name for p in needed if p.table == "ticks"] == [f"ticks_{d:%Y%m%d}" for d in days]
    assert [p.name for p in needed if p.table == "tick_rollups"] == months


@pytest.mark.parametrize("month", range(1, 13))
def test_months_follow_each_other_without_a_gap(month):
    partition = of(HOURS, dt.date(2028, month, 28))
    assert of(HOURS, partition.end.date()).start == partition.end
    assert partition.start.day == 1


async def test_preparing_concurrently_creates_each_partition_once(database_url):
    # given
    assert partitions(database_url) == set()
    # when
    async with open_store(database_url) as store:
        await asyncio.gather(*[store.prepare() for _ in range(5)])
    # then
    today = dt.datetime.now(dt.UTC).date()
    assert {p.name for p in needed_on(today)} <= partitions(database_url)


async def test_concurrent_writers_create_a_new_days_partition_once(database_url):
    # given
    days = [HOUR - 3 * DAY, HOUR - 5 * DAY]
    async with open_store(database_url) as store:
        writes = [[up(day + n) for day in days] for n in range(8)]
        await asyncio.gather(*[store.write(w) for w in writes])
        # then
        assert len(await store.ticks(SHOP, days[1], HOUR)) == 16
    assert len(partitions(database_url)) == 2


async def test_writers_of_the_same_ticks_do_not_deadlock(database_url):
    # given
    ticks = [up(HOUR + n) for n in range(2000)]
    async with open_store(database_url) as store:
        await store.prepare()
        await asyncio.gather(*[store.write(ticks[:: 1 - 2 * (n % 2)]) for n in range(6)])
        # then
        assert len(await store.ticks(SHOP, HOUR, HOUR + 3600)) == 2000


async def test_rolling_up_creates_the_months_partition(database_url):
    # given
    hour = HOUR - 60 * DAY
    async with open_store(database_url) as store:
        await store.write([up(hour)])
        await store.roll_up(hour)
        # then
        assert [b.checks for b in await hourly_buckets(store, SHOP, None, hour, hour + 1)] == [1]


async def test_only_partitions_beyond_retention_are_dropped(database_url):
    # given
    now = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    now_s = int(now.timestamp())
    noons = {days: now_s - days * DAY for days in (29, 30, 31, 32)}
    # when
    async with open_store(database_url) as store:
        await store.write([up(slot) for slot in noons.values()])
        for hour in (now_s - 450 * DAY, now_s - 399 * DAY):
            await store.write([up(hour)])
            await store.roll_up(hour)
        await store.expire(now)
        await store.expire(now)
        ticks = await store.ticks(SHOP, 0, now_s)
        hourly = await hourly_buckets(store, SHOP, None, 0, now_s)
    # then: a day goes when the whole of it is past
    assert [t.slot_s for t in ticks] == [noons[30], noons[29]]
    assert [b.start_s for b in hourly] == [now_s - 399 * DAY]
    kept = {of(TICKS, dt.datetime.fromtimestamp(t.slot_s, dt.UTC).date()).name for t in ticks}
    assert {p for p in partitions(database_url) if p.startswith("ticks_")} == kept


async def test_a_partition_in_use_is_dropped_later(database_url):
    # given
    now = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    old = int(now.timestamp()) - 40 * DAY

    # when
    with psycopg.connect(database_url) as reader:
        reader.execute("LOCK TABLE ticks IN ACCESS SHARE MODE")
        async with open_store(database_url) as store:
            await store.write([up(old)])
            began = time.monotonic()
            with pytest.raises(Unavailable, match="postgres"):
                await store.expire(now)
            assert time.monotonic() - began < 8  # readers queue up behind whoever waits
            found = await store.ticks(SHOP, 0, old + 1)
    # then
    assert len(found) == 1


async def test_a_reader_does_not_block_the_creation_of_a_partition(database_url):
    with psycopg.connect(database_url) as reader:
        reader.execute("LOCK TABLE ticks IN ACCESS SHARE MODE")
        async with open_store(database_url) as store:
            await store.write([up(HOUR)])
            assert len(await store.ticks(SHOP, HOUR, HOUR + 1)) == 1


async def test_partitions_have_the_indexes_of_their_table(database_url):
    # given
    async with open_store(database_url) as store:
        await store.prepare()
    name = of(TICKS, dt.datetime.now(dt.UTC).date()).name
    # when
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [name])
        indexes = " ".join(definition for (definition,) in rows)
    # then
    assert "USING btree (website_id, region, slot)" in indexes
    assert "USING brin (slot)" in indexes
