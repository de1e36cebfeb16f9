"""What every tick store does: InfluxDB and Postgres, each on a real server."""

import datetime as dt
from uuid import uuid4

import msgspec
import pytest

from monitor.domain.outcome import Reason, Timings
from monitor.storage.timeseries.contract import ChecksQuery
from support.factories import BLOG, SHOP, tick
from support.ticks import (
    HOUR,
    answered_503,
    as_kept,
    as_rolled_up,
    assorted,
    hourly_buckets,
    kept,
    minutes,
    plain,
    reference,
    refused,
    up,
)

EUROPE, ASIA = "europe", "asia-1"


async def test_a_tick_is_read_as_written(store):
    # given
    ticks = [up(HOUR, 0.125), refused(HOUR + 60), answered_503(HOUR + 120, 1234.567)]
    # when
    await store.write(ticks)
    found = await store.ticks(SHOP, HOUR, HOUR + 3600)
    # then
    assert len(found) == 3
    for one, original in zip(found, ticks, strict=True):
        assert (one.website_id, one.region, one.slot_s) == (SHOP, EUROPE, original.slot_s)
        assert (one.up, one.reason) == (original.up, original.reason)
        assert one.status_code == original.status_code
        assert one.response_ms == kept(original.response_ms)
        for phase in ("dns_ms", "connect_ms", "tls_ms", "wait_ms"):
            assert getattr(one.timings, phase) == kept(getattr(original.timings, phase)), phase
        # It may be told by five others, each of them rounded.
        assert one.timings.transfer_ms == pytest.approx(original.timings.transfer_ms, abs=0.003)


async def test_ticks_whose_lookup_was_another_check_s_are_told_apart(store):
    # given
    shared = Timings(dns_shared=True, connect_ms=0.5, wait_ms=2.0)
    ticks = [up(HOUR), tick(HOUR + 60, 2.5, timings=shared)]
    # when
    await store.write(ticks)
    found = await store.ticks(SHOP, HOUR, HOUR + 3600)
    # then
    assert [t.timings.dns_shared for t in found] == [False, True]
    assert found[1].timings.dns_ms == 0


async def test_an_address_and_a_late_start_are_read_as_written(store):
    # given
    late = msgspec.structs.replace(up(HOUR), began_at_s=HOUR + 4.125)
    failed = msgspec.structs.replace(refused(HOUR + 60), address="2001:db8::7")
    # when
    await store.write([late, failed, up(HOUR + 120)])
    ticks = await store.ticks(SHOP, HOUR, HOUR + 3600)
    # then
    assert [(t.address, t.began_at_s) for t in ticks] == [
        ("", HOUR + 4.125),
        ("2001:db8::7", None),
        ("", None),
    ]


async def test_a_slot_that_was_down_at_first_keeps_no_address_once_it_is_up(store):
    # given
    await store.write([msgspec.structs.replace(refused(HOUR), address="192.0.2.7")])
    # when
    await store.write([up(HOUR)])
    # then
    assert [t.address for t in await store.ticks(SHOP, HOUR, HOUR + 1)] == [""]


async def test_pages_of_checks_hold_each_check_once_newest_first(store):
    # given
    slots = minutes(25)
    ticks = [
        *assorted(3, slots),
        *assorted(4, slots, region=ASIA),
        *assorted(5, range(HOUR + 20, HOUR + 1500, 60), region="us"),
    ]
    await store.write([*ticks, up(HOUR + 60, website=BLOG)])
    # when
    pages, after = [], None
    while True:
        query = ChecksQuery(SHOP, HOUR, HOUR + 3600, limit=7, after=after)
        page = await store.checks(query)
        if not page:
            break
        pages.append(page)
        after = (page[-1].slot_s, page[-1].region)
    # then
    keys = [(t.slot_s, t.region) for page in pages for t in page]
    assert keys == sorted(((t.slot_s, t.region) for t in ticks), key=lambda k: (-k[0], k[1]))
    assert [len(page) for page in pages[:-1]] == [7] * (len(pages) - 1)


@pytest.mark.parametrize("is_up", [True, False])
async def test_checks_are_filtered_by_region_result_and_time(store, is_up):
    # given
    ticks = [*assorted(6, minutes(30)), *assorted(7, minutes(30), region=ASIA)]
    await store.write(ticks)
    # when
    query = ChecksQuery(SHOP, HOUR + 300, HOUR + 1200, limit=5, region=ASIA, up=is_up)
    checks = await store.checks(query)
    # then
    matching = [t.slot_s for t in ticks if t.region == ASIA and t.up is is_up]
    span = [s for s in matching if HOUR + 300 <= s < HOUR + 1200]
    assert [t.slot_s for t in checks] == sorted(span, reverse=True)[:5]
    assert {(t.region, t.up) for t in checks} == {(ASIA, is_up)}


async def test_ticks_out_of_turn_are_told_apart(store):
    # given
    ticks = [up(HOUR), refused(HOUR + 15), up(HOUR + 30)]
    ticks[1:] = [msgspec.structs.replace(t, out_of_turn=True) for t in ticks[1:]]
    await store.write(ticks)
    await store.roll_up(HOUR)
    # when
    found = await store.ticks(SHOP, HOUR, HOUR + 3600)
    raw = await store.raw_buckets(SHOP, None, HOUR, HOUR + 3600, 3600)
    hourly = await hourly_buckets(store, SHOP, None, HOUR, HOUR + 3600)
    # then
    assert [t.out_of_turn for t in found] == [False, True, True]
    assert [(b.checks, b.out_of_turn) for b in raw] == [(3, 2)]
    assert [(b.checks, b.out_of_turn) for b in hourly] == [(3, 2)]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("first", [False, True])
async def test_a_tick_written_as_out_of_turn_once_stays_so(store, first, together):
    # given a slot of a second in which another check was made, too, written in either order
    ticks = [
        msgspec.structs.replace(up(HOUR), out_of_turn=out_of_turn)
        for out_of_turn in (first, not first)
    ]
    # when
    for group in [ticks] if together else [[t] for t in ticks]:
        await store.write(group)
    # then
    assert [t.out_of_turn for t in await store.ticks(SHOP, HOUR, HOUR + 60)] == [True]
    (bucket,) = await store.raw_buckets(SHOP, None, HOUR, HOUR + 60, 60)
    assert (bucket.checks, bucket.out_of_turn) == (1, 1)


async def test_every_reason_round_trips(store):
    # given
    ticks = [
        msgspec.structs.replace(refused(HOUR + n), reason=reason) for n, reason in enumerate(Reason)
    ]
    await store.write(ticks)
    # then
    assert [t.reason for t in await store.ticks(SHOP, HOUR, HOUR + 3600)] == list(Reason)


async def test_ticks_written_twice_are_stored_once(store):
    # given
    ticks = assorted(1, minutes(30))
    for _ in range(2):
        await store.write(ticks)
    await store.write([*ticks[:3], *ticks[:3]])
    # then
    assert [t.slot_s for t in await store.ticks(SHOP, HOUR, HOUR + 3600)] == [
        t.slot_s for t in ticks
    ]


async def test_overlapping_writes_add_new_ticks(store):
    # given
    ticks = assorted(2, minutes(40))
    await store.write(ticks[:25])
    await store.write(ticks[15:])
    # then
    assert [t.slot_s for t in await store.ticks(SHOP, HOUR, HOUR + 3600)] == [
        t.slot_s for t in ticks
    ]


async def test_of_two_ticks_of_a_slot_the_later_counts(store):
    # when
    await store.write([refused(HOUR), up(HOUR + 60, 5.0)])
    await store.write([up(HOUR, 7.0), answered_503(HOUR + 60, 9.0)])
    first, second = await store.ticks(SHOP, HOUR, HOUR + 3600)
    # then
    assert (first.up, first.reason, first.status_code, first.response_ms) == (True, None, 200, 7)
    assert (second.up, second.reason, second.status_code) == (False, Reason.HTTP_STATUS, 503)
    assert second.response_ms == 9


async def test_empty_write_succeeds(store):
    await store.write([])
    assert await store.ticks(SHOP, HOUR, HOUR + 3600) == []


@pytest.mark.parametrize("width_s", [60, 180, 3600])
async def test_raw_buckets_add_up(store, width_s):
    # given: two regions, and a website that is none of our business
    ticks = [*assorted(3, minutes(60)), *assorted(4, minutes(60), region=ASIA)]
    others = assorted(5, minutes(60), website=BLOG)
    await store.write([*ticks, *others])
    # then
    assert [plain(b) for b in await store.raw_buckets(SHOP, None, HOUR, HOUR + 3600, width_s)] == [
        as_kept(b) for b in reference(ticks, width_s)
    ]


async def test_the_95th_percentile_has_the_rank_of_the_contract(store):
    # given: in the n-th minute n + 1 answers, the highest first
    ticks = [up(HOUR + 60 * n + i, 1000.0 - i) for n in range(59) for i in range(n + 1)]
    await store.write(ticks)
    # then
    assert [b.p95_ms for b in await store.raw_buckets(SHOP, EUROPE, HOUR, HOUR + 3600, 60)] == [
        b.p95_ms for b in reference(ticks, 60)
    ]


async def test_buckets_can_be_filtered_by_region(store):
    # given
    ticks = [*assorted(6, minutes(10)), *assorted(7, minutes(10), region=ASIA)]
    # when
    await store.write(ticks)
    await store.roll_up(HOUR)
    raw = await store.raw_buckets(SHOP, ASIA, HOUR, HOUR + 3600, 600)
    hourly = await hourly_buckets(store, SHOP, ASIA, HOUR, HOUR + 3600)
    # then
    assert [plain(b) for b in raw] == [as_kept(b) for b in reference(ticks[10:], 600)]
    assert [plain(b) for b in hourly] == [as_rolled_up(b) for b in reference(ticks[10:], 3600)]


async def test_a_region_name_cannot_inject_into_the_query(store):
    await store.write([up(HOUR)])
    hostile = "x' OR '1'='1"
    assert await store.raw_buckets(SHOP, hostile, HOUR, HOUR + 3600, 60) == []


async def test_region_with_special_characters_round_trips(store):
    # given
    region = "a b,c=d \"e\" ü 'f'"
    await store.write([up(HOUR, region=region), up(HOUR)])
    await store.roll_up(HOUR)
    # then
    assert [
        (b.region, b.checks) for b in await hourly_buckets(store, SHOP, region, HOUR, HOUR + 1)
    ] == [(region, 1)]


async def test_buckets_without_ticks_are_absent(store):
    # given
    slots = [HOUR, HOUR + 1200, HOUR + 3540]
    # when
    await store.write([refused(slot) for slot in slots])
    buckets = await store.raw_buckets(SHOP, None, HOUR, HOUR + 3600, 60)
    # then: they are there, and where nothing answered there is no duration
    assert [b.start_s for b in buckets] == slots
    assert [plain(b)[2:] for b in buckets] == [(1, 0, 0, 0, None, None, None)] * 3


async def test_spans_are_half_open(store):
    # given
    edges = [HOUR - 1, HOUR, HOUR + 3599, HOUR + 3600]
    await store.write([up(slot) for slot in edges])
    ticks = await store.ticks(SHOP, HOUR, HOUR + 3600)
    await store.roll_up(HOUR)
    hourly = await hourly_buckets(store, SHOP, None, HOUR - 3600, HOUR + 7200)
    outside = [
        *await hourly_buckets(store, SHOP, None, HOUR - 3600, HOUR),
        *await hourly_buckets(store, SHOP, None, HOUR + 1, HOUR + 7200),
    ]
    raw = await store.raw_buckets(SHOP, None, HOUR, HOUR + 3600, 3600)
    # then
    assert [t.slot_s for t in ticks] == edges[1:3]
    assert [(b.start_s, b.checks) for b in raw] == [(HOUR, 2)]
    assert [(b.start_s, b.checks) for b in hourly] == [(HOUR, 2)]
    assert outside == []


async def test_a_bucket_cut_by_the_span_keeps_its_aligned_start(store):
    await store.write([up(HOUR + 100), up(HOUR + 500)])
    assert [
        (b.start_s, b.checks)
        for b in await store.raw_buckets(SHOP, None, HOUR + 200, HOUR + 3600, 900)
    ] == [(HOUR // 900 * 900, 1)]


async def test_a_large_write_is_stored_whole(store):
    # given
    websites = [uuid4() for _ in range(1000)]
    ticks = [up(slot, website=w) for w in websites for slot in minutes(20)]
    await store.write(ticks)
    found = [await store.ticks(w, HOUR, HOUR + 3600) for w in (websites[0], websites[-1])]
    # then
    assert (await store.roll_up(HOUR), [len(f) for f in found]) == (1000, [20, 20])


async def test_preparing_again_keeps_what_is_stored(store):
    await store.write([up(HOUR)])
    await store.prepare()
    await store.expire(dt.datetime.now(dt.UTC))
    assert [t.slot_s for t in await store.ticks(SHOP, HOUR, HOUR + 1)] == [HOUR]


async def test_ping_names_the_server(store):
    assert (await store.ping()).startswith(("InfluxDB ", "PostgreSQL 1"))
