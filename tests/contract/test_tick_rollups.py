"""Roll-ups of every tick store: InfluxDB and Postgres, each on a real server."""

from uuid import uuid4

from support.factories import BLOG, SHOP
from support.ticks import HOUR, as_kept, assorted, minutes, plain, reference, up

ASIA = "asia-1"


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
    found = {w: await store.hourly_buckets(w, None, HOUR, HOUR + 3600) for w in websites}
    # then
    assert stored == 80
    for website in websites:
        expected = [as_kept(b) for b in reference(ticks[website], 3600)]
        assert [plain(b) for b in found[website]] == expected


async def test_rolling_up_again_only_adds_late_ticks(store):
    # given
    ticks, late = assorted(8, minutes(20)), assorted(9, minutes(20, HOUR + 1200))
    # when
    await store.write(ticks)
    once = [await store.roll_up(HOUR), await store.hourly_buckets(SHOP, None, HOUR, HOUR + 1)]
    twice = [await store.roll_up(HOUR), await store.hourly_buckets(SHOP, None, HOUR, HOUR + 1)]
    await store.write(late)
    await store.roll_up(HOUR)
    after_late = await store.hourly_buckets(SHOP, None, HOUR, HOUR + 1)
    # then
    assert once == twice
    assert once[0] == 1
    assert [plain(b) for b in after_late] == [as_kept(b) for b in reference([*ticks, *late], 3600)]


async def test_an_hour_without_ticks_has_no_roll_ups(store):
    assert (await store.roll_up(HOUR), await store.hourly_buckets(SHOP, None, HOUR, HOUR + 1)) == (
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
