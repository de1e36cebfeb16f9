"""What every tick store does: InfluxDB and Postgres, each on a real server."""

import datetime as dt
from uuid import uuid4

import msgspec
import pytest

from monitor.domain.outcome import Reason
from support.factories import BLOG, SHOP
from support.ticks import (
    HOUR,
    answered_503,
    as_kept,
    assorted,
    kept,
    minutes,
    plain,
    reference,
    refused,
    up,
)

EUROPE, ASIA = "europe", "asia-1"


def test_a_tick_is_read_as_written(with_store):
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
        for phase in ("dns_ms", "connect_ms", "tls_ms", "wait_ms"):
            assert getattr(tick.timings, phase) == kept(getattr(original.timings, phase)), phase
        # It may be told by five others, each of them rounded.
        assert tick.timings.transfer_ms == pytest.approx(original.timings.transfer_ms, abs=0.003)


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


def test_ticks_written_twice_are_stored_once(with_store):
    # given
    ticks = assorted(1, minutes(30))

    async def act(store):
        for _ in range(2):
            await store.write(ticks)
        await store.write([*ticks[:3], *ticks[:3]])
        return await store.ticks(SHOP, HOUR, HOUR + 3600)

    # then
    assert [t.slot_s for t in with_store(act)] == [t.slot_s for t in ticks]


def test_overlapping_writes_add_new_ticks(with_store):
    # given
    ticks = assorted(2, minutes(40))

    async def act(store):
        await store.write(ticks[:25])
        await store.write(ticks[15:])
        return await store.ticks(SHOP, HOUR, HOUR + 3600)

    # then
    assert [t.slot_s for t in with_store(act)] == [t.slot_s for t in ticks]


def test_of_two_ticks_of_a_slot_the_later_counts(with_store):
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
    ticks = [*assorted(3, minutes(60)), *assorted(4, minutes(60), region=ASIA)]
    others = assorted(5, minutes(60), website=BLOG)

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


def test_buckets_can_be_filtered_by_region(with_store):
    # given
    ticks = [*assorted(6, minutes(10)), *assorted(7, minutes(10), region=ASIA)]

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


def test_a_region_name_cannot_inject_into_the_query(with_store):
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


def test_a_large_write_is_stored_whole(with_store):
    # given
    websites = [uuid4() for _ in range(1000)]
    ticks = [up(slot, website=w) for w in websites for slot in minutes(20)]

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
