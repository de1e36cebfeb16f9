"""Roll-ups of every tick store: InfluxDB and Postgres, each on a real server."""

from uuid import uuid4

import pytest

from monitor.domain.histogram import Histogram
from monitor.domain.ids import ring_position
from monitor.domain.rollup import Gap, united
from monitor.domain.schedule import Lifetime, Period, RegionSchedule, Schedule
from monitor.storage.timeseries import influxdb
from support.factories import BLOG, SHOP
from support.ticks import (
    HOUR,
    as_rolled_up,
    assorted,
    hourly_buckets,
    kept,
    minutes,
    plain,
    reference,
    up,
)

ASIA = "asia-1"
DAY_S = 86_400
YESTERDAY = HOUR // DAY_S * DAY_S - DAY_S
EVERY_S = 180
SCHEDULE = Schedule([Period(0.0, None, EVERY_S)], [Lifetime("europe", 0.0), Lifetime(ASIA, 0.0)])


async def _schedules(website_ids, _since_s, _until_s):
    """Every website is checked every three minutes, everywhere."""
    return dict.fromkeys(website_ids, SCHEDULE)


def _slots(website, since_s, until_s=None, region="europe"):
    due = RegionSchedule(SCHEDULE, ring_position(website), region)
    return [slot for _, slot in due.slots(since_s, until_s or since_s + 3600)]


def _ms(slot_s):
    """A response time that differs from slot to slot."""
    return 20.0 + slot_s % 977


async def test_roll_up_equals_aggregate_of_its_hour(store):
    # given: ids with every last digit, as stores may take them in parts
    websites = [uuid4() for _ in range(40)]
    ticks = {
        website: [
            *assorted(n, minutes(20), website=website),
            *assorted(-n, minutes(20), website=website, region=ASIA),
        ]
        for n, website in enumerate(websites, start=1)
    }
    await store.write([t for of_one in ticks.values() for t in of_one])
    stored = await store.roll_up(HOUR)
    found = {w: await hourly_buckets(store, w, None, HOUR, HOUR + 3600) for w in websites}
    # then
    assert stored == 80
    for website in websites:
        expected = [as_rolled_up(b) for b in reference(ticks[website], 3600)]
        assert [plain(b) for b in found[website]] == expected


async def test_rolling_up_again_only_adds_late_ticks(store):
    # given
    ticks, late = assorted(8, minutes(20)), assorted(9, minutes(20, HOUR + 1200))
    # when
    await store.write(ticks)
    once = [await store.roll_up(HOUR), await hourly_buckets(store, SHOP, None, HOUR, HOUR + 1)]
    twice = [await store.roll_up(HOUR), await hourly_buckets(store, SHOP, None, HOUR, HOUR + 1)]
    await store.write(late)
    await store.roll_up(HOUR)
    after_late = await hourly_buckets(store, SHOP, None, HOUR, HOUR + 1)
    # then
    assert once == twice
    assert once[0] == 1
    assert [plain(b) for b in after_late] == [
        as_rolled_up(b) for b in reference([*ticks, *late], 3600)
    ]


async def test_roll_ups_are_handed_over_with_all_regions_of_a_website_or_not_at_all(
    store, monkeypatch
):
    # given: pages that end between the regions of a website
    monkeypatch.setattr(influxdb, "LINES_PER_WRITE", 3)
    ids = [uuid4() for _ in range(40)]
    await store.write([up(HOUR + 60, website=w, region=r) for w in ids for r in (ASIA, "europe")])
    handed = {}

    async def take(rollups):
        assert not handed.keys() & rollups.keys()
        handed.update(rollups)

    # when
    await store.roll_up(HOUR, _schedules, take)
    # then
    assert handed == (await store.hourly(ids, None, HOUR, HOUR + 3600) if handed else {})
    assert len(handed) in (0, 40)


async def test_an_hour_without_ticks_has_no_roll_ups(store):
    assert (await store.roll_up(HOUR), await hourly_buckets(store, SHOP, None, HOUR, HOUR + 1)) == (
        0,
        [],
    )


async def test_the_latest_hour_with_a_roll_up_is_known(store):
    # given: ids with several last digits, as stores may take them in parts
    earlier, later = HOUR - 7200, HOUR - 3600
    found = [await store.last_rolled_up()]
    await store.write([up(earlier), up(earlier, website=BLOG), up(later, website=BLOG)])
    for hour in (earlier, later, HOUR):
        await store.roll_up(hour)
        found.append(await store.last_rolled_up())
    # then: an hour without ticks leaves none
    assert found == [None, earlier, later, later]


async def test_the_latest_roll_up_is_found_after_a_long_pause(store):
    # given
    hour = HOUR - 20 * 86_400
    await store.write([up(hour)])
    await store.roll_up(hour)
    # then
    assert await store.last_rolled_up() == hour


async def test_an_hour_has_its_histogram_and_its_gaps(store):
    # given: two regions, of which one missed two slots in a row, and a check out of turn
    slots = _slots(SHOP, HOUR)
    missed = slots[5:7]
    ticks = [up(s, _ms(s)) for s in slots if s not in missed]
    ticks += [up(s, _ms(s), region=ASIA) for s in slots]
    await store.write([*ticks, *assorted(3, minutes(5), website=BLOG)])
    # when
    await store.roll_up(HOUR, _schedules)
    # then
    found = await store.hourly([SHOP], None, HOUR, HOUR + 3600)
    asia, europe = found.pop(SHOP)
    assert not found
    assert (asia.region, asia.checks, asia.up, asia.expected, asia.gaps) == (ASIA, 20, 20, 20, ())
    assert (europe.region, europe.checks, europe.expected) == ("europe", 18, 20)
    assert europe.gaps == (Gap(missed[0], missed[1] + EVERY_S),)
    times = [_ms(s) for s in slots if s not in missed]
    assert (europe.measured, europe.histogram) == (18, Histogram.of(times))
    # the mean is stored with three decimals
    assert europe.total_ms == pytest.approx(sum(times), rel=3e-5)
    assert europe.max_ms == kept(max(times))
    assert await store.hourly([SHOP, uuid4()], ASIA, HOUR, HOUR + 3600) == {SHOP: [asia]}
    assert await store.hourly([], None, HOUR, HOUR + 3600) == {}
    both = Histogram.of([*times, *map(_ms, slots)])
    assert await store.histograms([SHOP, uuid4()], HOUR, HOUR + 3600) == {SHOP: both}
    assert await store.histograms([SHOP], HOUR + 1, HOUR + 3600) == {}
    assert await store.histograms([], HOUR, HOUR + 3600) == {}


async def test_without_a_schedule_nothing_is_expected(store):
    await store.write([up(HOUR)])
    await store.roll_up(HOUR)
    ((found,),) = (await store.hourly([SHOP], None, HOUR, HOUR + 3600)).values()
    assert (found.expected, found.gaps, found.checks) == (None, (), 1)


async def test_late_ticks_close_the_gaps_of_their_hour(store):
    # given
    slots = _slots(SHOP, HOUR)
    await store.write([up(s, _ms(s)) for s in slots[:-2]])
    await store.roll_up(HOUR, _schedules)
    ((before,),) = (await store.hourly([SHOP], None, HOUR, HOUR + 3600)).values()
    # when
    await store.write([up(s, _ms(s)) for s in slots[-2:]])
    await store.roll_up(HOUR, _schedules)
    # then
    ((after,),) = (await store.hourly([SHOP], None, HOUR, HOUR + 3600)).values()
    assert before.gaps == (Gap(slots[-2], slots[-1] + EVERY_S),)
    assert (after.gaps, after.checks) == ((), 20)
    assert after.histogram == Histogram.of(map(_ms, slots))


async def test_a_day_is_the_sum_of_its_hours(store):
    # given: ids with every last digit; the hours 3 and 4 have no check at all
    websites = [uuid4() for _ in range(20)]
    hours = [YESTERDAY + 3600 * n for n in range(24) if n not in (3, 4)]
    for hour in hours:
        await store.write([up(s, _ms(s), website=w) for w in websites for s in _slots(w, hour)])
        await store.roll_up(hour, _schedules)
    # when
    stored = await store.roll_up_day(YESTERDAY, _schedules)
    again = await store.roll_up_day(YESTERDAY, _schedules)
    # then
    assert (stored, again) == (20, 20)
    days = await store.daily(websites, None, YESTERDAY, YESTERDAY + DAY_S)
    assert set(days) == set(websites)
    for website, (day,) in days.items():
        times = [_ms(s) for hour in hours for s in _slots(website, hour)]
        away = _slots(website, YESTERDAY + 3 * 3600, YESTERDAY + 5 * 3600)
        assert (day.region, day.start_s) == ("europe", YESTERDAY)
        assert (day.checks, day.up, day.expected) == (440, 440, 480)
        assert (day.measured, day.total_ms, day.max_ms) == (440, kept(sum(times)), kept(max(times)))
        assert day.histogram == Histogram.of(times)
        assert day.gaps == united([Gap(away[0], away[-1] + EVERY_S)])


async def test_a_day_reads_no_ticks(store):
    # given: a tick that came after its hour was rolled up
    await store.write([up(YESTERDAY, 10.0)])
    await store.roll_up(YESTERDAY)
    await store.write([up(YESTERDAY + 60, 20.0)])
    # when
    await store.roll_up_day(YESTERDAY)
    # then
    ((day,),) = (await store.daily([SHOP], None, YESTERDAY, YESTERDAY + 1)).values()
    assert (day.checks, day.total_ms) == (1, kept(10.0))
    # and the hour mends it
    await store.roll_up(YESTERDAY)
    await store.roll_up_day(YESTERDAY)
    ((day,),) = (await store.daily([SHOP], None, YESTERDAY, YESTERDAY + 1)).values()
    assert (day.checks, day.histogram) == (2, Histogram.of([10.0, 20.0]))


async def test_a_day_without_hours_has_no_roll_ups(store):
    assert await store.roll_up_day(YESTERDAY, _schedules) == 0
    assert await store.daily([SHOP], None, YESTERDAY, YESTERDAY + DAY_S) == {}


@pytest.mark.parametrize("region", [None, "europe"])
async def test_only_days_in_the_span_and_the_region_are_read(store, region):
    # given
    for day in (YESTERDAY - DAY_S, YESTERDAY):
        await store.write([up(day, region=r) for r in ("europe", ASIA)])
        await store.roll_up(day)
        await store.roll_up_day(day)
    # when
    found = await store.daily([SHOP, BLOG], region, YESTERDAY, YESTERDAY + 1)
    # then
    regions = [ASIA, "europe"] if region is None else [region]
    assert [(r.region, r.start_s) for r in found[SHOP]] == [(n, YESTERDAY) for n in regions]
    assert BLOG not in found


async def test_totals_are_the_sums_of_the_ticks_of_many_websites(store):
    # given ticks of two regions of one website, and of one of another; a third has none
    ticks = [
        *assorted(3, minutes(30)),
        *assorted(4, minutes(10), region=ASIA),
        *assorted(5, minutes(20), website=BLOG),
    ]
    await store.write(ticks)
    # when
    totals = await store.totals([SHOP, BLOG, uuid4()], HOUR + 60, HOUR + 900)
    # then
    assert {website: [t.region for t in own] for website, own in totals.items()} == {
        SHOP: [ASIA, "europe"], BLOG: ["europe"],
    }  # fmt: skip
    for website, own in totals.items():
        for one in own:
            expected = [
                t for t in ticks
                if (t.website_id, t.region) == (website, one.region)
                and HOUR + 60 <= t.slot_s < HOUR + 900
            ]  # fmt: skip
            assert one.checks == len(expected)
            assert one.up == sum(t.up for t in expected)
            assert one.out_of_turn == sum(t.out_of_turn for t in expected)
            assert sorted(one.filled_s) == [t.slot_s for t in expected if not t.out_of_turn]
            values = sorted(t.response_ms for t in expected if t.response_ms is not None)
            assert sorted(one.responses_ms) == [kept(ms) for ms in values]
    assert await store.totals([SHOP], HOUR - 3600, HOUR) == {}
    assert await store.totals([], HOUR, HOUR + 900) == {}
