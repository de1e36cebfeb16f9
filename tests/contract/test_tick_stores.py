"""What every tick store does: InfluxDB and Postgres, each on a real server."""

import asyncio
import datetime as dt
from contextlib import asynccontextmanager
from uuid import uuid4

import msgspec
import pytest
from psycopg_pool import AsyncConnectionPool

from monitor.domain.errors import SettingsError, Unavailable
from monitor.domain.outcome import Reason
from monitor.local.redis import free_port
from monitor.storage.postgres.pool import make_pool
from monitor.storage.ticks.open import make_tick_store
from support.ticks import (
    BLOG,
    HOUR,
    SHOP,
    answered_503,
    as_kept,
    assorted,
    kept,
    plain,
    reference,
    refused,
    up,
)

EUROPE, ASIA = "europe", "asia-1"


def _store(*, influx=(None, "website_ticks"), pool=None, raw_days=30, rollup_days=400):
    return make_tick_store(
        influxdb_url=influx[0],
        influxdb_token=None,
        influxdb_org=None,
        influxdb_bucket=influx[1],
        pool=pool,
        raw_days=raw_days,
        rollup_days=rollup_days,
    )


@pytest.fixture(params=["influx", "postgres"])
def with_store(request):
    """Runs an async function with a new, prepared store and returns what it returns."""
    fixture = {"influx": "influx_database", "postgres": "database_url"}[request.param]
    server = request.getfixturevalue(fixture)
    opened = {"influx": _opened_influx, "postgres": _opened_postgres}[request.param]

    async def main(act):
        async with opened(server) as store:
            await store.prepare()
            return await act(store)

    return lambda act: asyncio.run(main(act))


@asynccontextmanager
async def _opened_influx(database):
    store = _store(influx=database)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _opened_postgres(url):
    async with make_pool(url) as pool:
        store = _store(pool=pool)
        yield store
        await store.close()


def _minutes(count, start_s=HOUR):
    return range(start_s, start_s + 60 * count, 60)


def test_a_tick_comes_back_with_all_it_had(with_store):
    # given
    ticks = [up(HOUR, 0.125), refused(HOUR + 60), answered_503(HOUR + 120, 1234.567)]

    async def act(store):
        await store.write(ticks)
        return await store.ticks(SHOP, HOUR, HOUR + 3600)

    # when
    found = with_store(act)
    # then
    assert len(found) == 3
    for tick, original in zip(found, ticks, strict=True):
        assert (tick.website_id, tick.region, tick.slot_s) == (SHOP, EUROPE, original.slot_s)
        assert (tick.up, tick.reason) == (original.up, original.reason)
        assert tick.status_code == original.status_code
        assert tick.response_ms == kept(original.response_ms)
        for phase in ("dns_ms", "connect_ms", "tls_ms", "wait_ms", "transfer_ms"):
            assert getattr(tick.timings, phase) == kept(getattr(original.timings, phase)), phase


def test_every_reason_is_kept(with_store):
    # given
    ticks = [
        msgspec.structs.replace(refused(HOUR + n), reason=reason) for n, reason in enumerate(Reason)
    ]

    async def act(store):
        await store.write(ticks)
        return await store.ticks(SHOP, HOUR, HOUR + 3600)

    # then
    assert [t.reason for t in with_store(act)] == list(Reason)


def test_what_is_written_twice_is_stored_once(with_store):
    # given
    ticks = assorted(1, _minutes(30))

    async def act(store):
        for _ in range(2):
            await store.write(ticks)
        await store.write([*ticks[:3], *ticks[:3]])
        return await store.ticks(SHOP, HOUR, HOUR + 3600)

    # then
    assert [t.slot_s for t in with_store(act)] == [t.slot_s for t in ticks]


def test_writes_that_overlap_add_what_is_new(with_store):
    # given
    ticks = assorted(2, _minutes(40))

    async def act(store):
        await store.write(ticks[:25])
        await store.write(ticks[15:])
        return await store.ticks(SHOP, HOUR, HOUR + 3600)

    # then
    assert [t.slot_s for t in with_store(act)] == [t.slot_s for t in ticks]


def test_of_two_ticks_of_one_slot_the_later_one_counts(with_store):
    async def act(store):
        await store.write([refused(HOUR), up(HOUR + 60, 5.0)])
        await store.write([up(HOUR, 7.0), answered_503(HOUR + 60, 9.0)])
        return await store.ticks(SHOP, HOUR, HOUR + 3600)

    # when
    first, second = with_store(act)
    # then
    assert (first.up, first.reason, first.status_code, first.response_ms) == (True, None, 200, 7)
    assert (second.up, second.reason, second.status_code) == (False, Reason.HTTP_STATUS, 503)
    assert second.response_ms == 9


def test_writing_nothing_is_fine(with_store):
    async def act(store):
        await store.write([])
        return await store.ticks(SHOP, HOUR, HOUR + 3600)

    assert with_store(act) == []


@pytest.mark.parametrize("width_s", [60, 180, 3600])
def test_raw_buckets_add_up(with_store, width_s):
    # given: two regions, and a website that is none of our business
    ticks = [*assorted(3, _minutes(60)), *assorted(4, _minutes(60), region=ASIA)]
    others = assorted(5, _minutes(60), website=BLOG)

    async def act(store):
        await store.write([*ticks, *others])
        return await store.raw_buckets(SHOP, None, HOUR, HOUR + 3600, width_s)

    # then
    assert [plain(b) for b in with_store(act)] == [as_kept(b) for b in reference(ticks, width_s)]


def test_the_95th_percentile_has_the_rank_of_the_contract(with_store):
    # given: in the n-th minute n + 1 answers, the highest first
    ticks = [up(HOUR + 60 * n + i, 1000.0 - i) for n in range(59) for i in range(n + 1)]

    async def act(store):
        await store.write(ticks)
        return await store.raw_buckets(SHOP, EUROPE, HOUR, HOUR + 3600, 60)

    # then
    assert [b.p95_ms for b in with_store(act)] == [b.p95_ms for b in reference(ticks, 60)]


def test_one_region_can_be_asked_for(with_store):
    # given
    ticks = [*assorted(6, _minutes(10)), *assorted(7, _minutes(10), region=ASIA)]

    async def act(store):
        await store.write(ticks)
        await store.roll_up(HOUR)
        raw = await store.raw_buckets(SHOP, ASIA, HOUR, HOUR + 3600, 600)
        return raw, await store.hourly_buckets(SHOP, ASIA, HOUR, HOUR + 3600)

    # when
    raw, hourly = with_store(act)
    # then
    assert [plain(b) for b in raw] == [as_kept(b) for b in reference(ticks[10:], 600)]
    assert [plain(b) for b in hourly] == [as_kept(b) for b in reference(ticks[10:], 3600)]


def test_a_region_is_a_value_and_never_a_part_of_the_question(with_store):
    async def act(store):
        await store.write([up(HOUR)])
        hostile = "x' OR '1'='1"
        return await store.raw_buckets(SHOP, hostile, HOUR, HOUR + 3600, 60)

    assert with_store(act) == []


def test_a_region_with_an_odd_name_is_found_again(with_store):
    # given
    region = "a b,c=d \"e\" ü 'f'"

    async def act(store):
        await store.write([up(HOUR, region=region), up(HOUR)])
        await store.roll_up(HOUR)
        return await store.hourly_buckets(SHOP, region, HOUR, HOUR + 1)

    # then
    assert [(b.region, b.checks) for b in with_store(act)] == [(region, 1)]


def test_buckets_without_ticks_are_absent(with_store):
    # given
    slots = [HOUR, HOUR + 1200, HOUR + 3540]

    async def act(store):
        await store.write([refused(slot) for slot in slots])
        return await store.raw_buckets(SHOP, None, HOUR, HOUR + 3600, 60)

    # when
    buckets = with_store(act)
    # then: they are there, and where nothing answered there is no duration
    assert [b.start_s for b in buckets] == slots
    assert [plain(b)[2:] for b in buckets] == [(1, 0, 0, None, None, None)] * 3


def test_spans_are_half_open(with_store):
    # given
    edges = [HOUR - 1, HOUR, HOUR + 3599, HOUR + 3600]

    async def act(store):
        await store.write([up(slot) for slot in edges])
        ticks = await store.ticks(SHOP, HOUR, HOUR + 3600)
        await store.roll_up(HOUR)
        hourly = await store.hourly_buckets(SHOP, None, HOUR - 3600, HOUR + 7200)
        outside = [
            *await store.hourly_buckets(SHOP, None, HOUR - 3600, HOUR),
            *await store.hourly_buckets(SHOP, None, HOUR + 1, HOUR + 7200),
        ]
        raw = await store.raw_buckets(SHOP, None, HOUR, HOUR + 3600, 3600)
        return ticks, raw, hourly, outside

    # when
    ticks, raw, hourly, outside = with_store(act)
    # then
    assert [t.slot_s for t in ticks] == edges[1:3]
    assert [(b.start_s, b.checks) for b in raw] == [(HOUR, 2)]
    assert [(b.start_s, b.checks) for b in hourly] == [(HOUR, 2)]
    assert outside == []


def test_a_bucket_cut_by_the_span_keeps_its_aligned_start(with_store):
    async def act(store):
        await store.write([up(HOUR + 100), up(HOUR + 500)])
        return await store.raw_buckets(SHOP, None, HOUR + 200, HOUR + 3600, 900)

    assert [(b.start_s, b.checks) for b in with_store(act)] == [(HOUR // 900 * 900, 1)]


def test_roll_ups_hold_what_the_hour_holds(with_store):
    # given: ids with every last digit, as stores may take them in parts
    websites = [uuid4() for _ in range(40)]
    ticks = {
        website: [
            *assorted(n, _minutes(20), website=website),
            *assorted(-n, _minutes(20), website=website, region=ASIA),
        ]
        for n, website in enumerate(websites, start=1)
    }

    async def act(store):
        await store.write([t for of_one in ticks.values() for t in of_one])
        stored = await store.roll_up(HOUR)
        found = {w: await store.hourly_buckets(w, None, HOUR, HOUR + 3600) for w in websites}
        return stored, found

    # when
    stored, found = with_store(act)
    # then
    assert stored == 80
    for website in websites:
        expected = [as_kept(b) for b in reference(ticks[website], 3600)]
        assert [plain(b) for b in found[website]] == expected


def test_rolling_up_again_changes_nothing_but_for_late_ticks(with_store):
    # given
    ticks, late = assorted(8, _minutes(20)), assorted(9, _minutes(20, HOUR + 1200))

    async def act(store):
        await store.write(ticks)
        once = [await store.roll_up(HOUR), await store.hourly_buckets(SHOP, None, HOUR, HOUR + 1)]
        twice = [await store.roll_up(HOUR), await store.hourly_buckets(SHOP, None, HOUR, HOUR + 1)]
        await store.write(late)
        await store.roll_up(HOUR)
        return once, twice, await store.hourly_buckets(SHOP, None, HOUR, HOUR + 1)

    # when
    once, twice, after_late = with_store(act)
    # then
    assert once == twice
    assert once[0] == 1
    assert [plain(b) for b in after_late] == [as_kept(b) for b in reference([*ticks, *late], 3600)]


def test_an_hour_without_ticks_has_no_roll_ups(with_store):
    async def act(store):
        return await store.roll_up(HOUR), await store.hourly_buckets(SHOP, None, HOUR, HOUR + 1)

    assert with_store(act) == (0, [])


def test_the_latest_hour_with_a_roll_up_is_known(with_store):
    # given: ids with several last digits, as stores may take them in parts
    earlier, later = HOUR - 7200, HOUR - 3600

    async def act(store):
        found = [await store.last_rolled_up()]
        await store.write([up(earlier), up(earlier, website=BLOG), up(later, website=BLOG)])
        for hour in (earlier, later, HOUR):
            await store.roll_up(hour)
            found.append(await store.last_rolled_up())
        return found

    # then: an hour without ticks leaves none
    assert with_store(act) == [None, earlier, later, later]


def test_the_latest_roll_up_is_found_after_a_long_pause(with_store):
    # given
    hour = HOUR - 20 * 86_400

    async def act(store):
        await store.write([up(hour)])
        await store.roll_up(hour)
        return await store.last_rolled_up()

    # then
    assert with_store(act) == hour


def test_a_large_write_is_stored_whole(with_store):
    # given
    websites = [uuid4() for _ in range(1000)]
    ticks = [up(slot, website=w) for w in websites for slot in _minutes(20)]

    async def act(store):
        await store.write(ticks)
        found = [await store.ticks(w, HOUR, HOUR + 3600) for w in (websites[0], websites[-1])]
        return await store.roll_up(HOUR), [len(f) for f in found]

    # then
    assert with_store(act) == (1000, [20, 20])


def test_preparing_again_keeps_what_is_stored(with_store):
    async def act(store):
        await store.write([up(HOUR)])
        await store.prepare()
        await store.expire(dt.datetime.now(dt.UTC))
        return await store.ticks(SHOP, HOUR, HOUR + 1)

    assert [t.slot_s for t in with_store(act)] == [HOUR]


def test_ping_names_the_server(with_store):
    async def act(store):
        return await store.ping()

    assert with_store(act).startswith(("InfluxDB 1.", "PostgreSQL 1"))


async def _unreachable_influx(act):
    store = _store(influx=(f"http://127.0.0.1:{free_port()}", "website_ticks"))
    try:
        await act(store)
    finally:
        await store.close()


async def _unreachable_postgres(act):
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere"
    async with AsyncConnectionPool(url, min_size=1, timeout=0.2, open=False) as pool:
        await act(_store(pool=pool))


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
        _store()
