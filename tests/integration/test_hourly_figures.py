"""What lists are sorted by, hour by hour: the figures are those of the ticks themselves."""

import time
from contextlib import suppress

import pytest

from monitor.domain.errors import Unavailable
from monitor.domain.histogram import quantile_rank
from monitor.domain.ids import ring_position
from monitor.domain.ring import slots_of_position
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.windows import Window
from monitor.services.websites import hourly_figures
from monitor.services.websites.hourly_figures import HourlyFigures
from monitor.storage.postgres import figures, gaps, schedules, website_histories
from monitor.storage.postgres.gaps import Counted
from monitor.storage.postgres.pool import session
from monitor.storage.timeseries.contract import not_needed
from support.factories import START_S, numbered_urls, tick
from support.tick_store import tick_store

EVERY_S = 600
NOW_S = START_S // HOUR_S * HOUR_S
SINCE_S = NOW_S - 40 * HOUR_S


PAGE = hourly_figures._PAGE


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(hourly_figures, "_PAGE", 2)
    monkeypatch.setattr(hourly_figures, "_TROUBLED", 2)


@pytest.fixture(autouse=True, params=["postgres", "influx"])
async def ticks_store(request, world):
    """Figures are made beside the roll-ups of InfluxDB, and after those of Postgres."""
    if request.param == "postgres":
        yield
        return
    own = world.ticks
    store = tick_store(influx=request.getfixturevalue("influx_database"), raw_days=3650)
    await store.prepare()
    world.ticks = store
    yield
    await store.close()
    world.ticks = own


class _Restless:
    async def pause(self):
        """Go on at once."""


def _figures(world):
    return HourlyFigures(world.pool, world.ticks, _Restless)


async def _add(world, url="http://example.com/", **options):
    """A website that has been checked since ``SINCE_S``."""
    website = await world.add_website(url, every=EVERY_S, **options)
    await world.execute(
        "UPDATE websites SET created_at = to_timestamp(%s) WHERE id = %s", SINCE_S, website
    )
    await world.execute(
        """
        INSERT INTO website_periods (since, website_id, check_frequency, regions)
        SELECT to_timestamp(%s), id, check_frequency,
               CASE WHEN NOT all_regions
                    THEN ARRAY(SELECT region FROM website_regions r WHERE r.website_id = w.id) END
          FROM websites w WHERE id = %s
        """,
        SINCE_S,
        website,
    )
    return website


async def _add_regions(world, *names):
    for name in names:
        await world.add_region(name)
        await world.execute(
            "INSERT INTO region_periods (region, since) VALUES (%s, to_timestamp(%s))",
            name, SINCE_S,
        )  # fmt: skip


def _slots(website, since_s, until_s):
    return slots_of_position(ring_position(website), EVERY_S, since_s, until_s)


def _ticks(website, since_s, until_s, *, region="europe", level_ms=100.0):
    """Measured in every slot, each time a little slower than before, and slow once in six."""
    return [
        tick(slot, level_ms + number % 97 + 400 * (number % 6 == 0), website=website, region=region)
        for number, slot in enumerate(_slots(website, since_s, until_s))
    ]


async def _roll_up(world, *hours, stored=not_needed):
    async def due(ids, since_s, until_s):
        async with session(world.pool) as connection:
            return await schedules.fetch_known(connection, ids, since_s, until_s)

    for hour_s in hours:
        await world.ticks.roll_up(hour_s, due, stored)


async def _run(world, *hours):
    for hour_s in hours:
        stored = await _figures(world).beside(hour_s)
        await _roll_up(world, hour_s, stored=stored)
        await _figures(world).add(hour_s)


def _hours(first, last):
    return range(NOW_S + first * HOUR_S, NOW_S + last * HOUR_S, HOUR_S)


def _p95(ticks, until_s):
    times = sorted(t.response_ms for t in ticks if until_s - DAY_S <= t.slot_s < until_s)
    return times[quantile_rank(0.95, len(times)) - 1] if times else None


async def _stored(world):
    """{website: (uptime of 30 days, p95 of 24 hours)}"""
    rows = await world.rows(
        "SELECT website_id, nullif(uptime_30d, 'infinity'), nullif(p95_24h_ms, '-infinity')"
        " FROM website_figures JOIN website_latencies USING (website_id)"
    )
    return {website: (uptime, p95_ms) for website, uptime, p95_ms in rows}


async def _gaps(world, website):
    """{region: [(begin, end)]} in hours from now, rounded to the interval."""
    async with session(world.pool) as connection:
        past = await website_histories.read(connection, [website], 0)
    return {
        region: [((w.since_s - NOW_S) / HOUR_S, (w.until_s - NOW_S) / HOUR_S) for w in windows]
        for region, windows in past.by_id[website].gaps.items()
    }


async def test_the_p95_is_that_of_the_last_24_hours_in_every_hour(world):
    # given three websites over 40 hours, one of which gets slower
    await _add_regions(world, "europe")
    websites = [await _add(world, f"http://example.com/{n}") for n in range(3)]
    ticks = {w: _ticks(w, SINCE_S, NOW_S - 20 * HOUR_S) for w in websites}
    for number, website in enumerate(websites):
        ticks[website] += _ticks(website, NOW_S - 20 * HOUR_S, NOW_S, level_ms=100 + 200 * number)
        await world.ticks.write(ticks[website])
    for hour_s in _hours(-40, 0):
        # when
        await _run(world, hour_s)
        # then
        stored = await _stored(world)
        for website in websites:
            exact = _p95(ticks[website], hour_s + HOUR_S)
            assert stored[website] == (1.0, pytest.approx(exact, rel=0.011)), hour_s
    async with session(world.pool) as connection:
        assert await figures.as_of(connection) == NOW_S


async def test_what_is_not_measured_any_more_leaves_within_a_day(world):
    await _add_regions(world, "europe")
    website = await _add(world)
    ticks = _ticks(website, NOW_S - 30 * HOUR_S, NOW_S - 23 * HOUR_S)
    await world.ticks.write(ticks)
    await _run(world, *_hours(-30, 0))
    exact = _p95(ticks, NOW_S)
    assert (await _stored(world))[website] == (1.0, pytest.approx(exact, rel=0.011))
    await _run(world, NOW_S)
    assert (await _stored(world))[website] == (1.0, None)


async def test_regions_count_together(world):
    await _add_regions(world, "asia", "europe")
    website = await _add(world)
    ticks = _ticks(website, NOW_S - HOUR_S, NOW_S)
    ticks += _ticks(website, NOW_S - HOUR_S, NOW_S, region="asia", level_ms=3000)
    await world.ticks.write(ticks)
    await _run(world, NOW_S - HOUR_S)
    exact = _p95(ticks, NOW_S)
    assert (await _stored(world))[website] == (1.0, pytest.approx(exact, rel=0.011))


async def test_an_hour_that_is_repeated_counts_once(world):
    await _add_regions(world, "europe")
    website = await _add(world)
    await world.ticks.write(_ticks(website, NOW_S - 2 * HOUR_S, NOW_S))
    await _run(world, *_hours(-2, 0))
    rows = await world.rows("SELECT * FROM website_latencies")
    # when it was interrupted after the websites were done
    await world.execute("UPDATE figures_as_of SET until = to_timestamp(%s)", NOW_S - HOUR_S)
    assert await _figures(world).add(NOW_S - HOUR_S) == 1
    # then
    assert await world.rows("SELECT * FROM website_latencies") == rows


async def test_an_hour_that_is_interrupted_between_websites_counts_once(world):
    # given: two regions, and a website that was deleted while its ticks are kept
    await _add_regions(world, "asia", "europe")
    websites = [await _add(world, f"http://example.com/{n}") for n in range(3)]
    ticks = {w: _ticks(w, NOW_S - 2 * HOUR_S, NOW_S) for w in websites}
    for website in websites:
        ticks[website] += _ticks(website, NOW_S - 2 * HOUR_S, NOW_S, region="asia", level_ms=900)
        await world.ticks.write(ticks[website])
    lost = await _add(world)
    await world.ticks.write(_ticks(lost, NOW_S - 2 * HOUR_S, NOW_S - HOUR_S // 2))
    await world.execute("DELETE FROM websites WHERE id = %s", lost)
    await _run(world, NOW_S - 2 * HOUR_S)
    # when
    take = await _figures(world).beside(NOW_S - HOUR_S)

    async def interrupted(rollups):
        await take(rollups)
        raise Unavailable("postgres", "is away")

    with suppress(Unavailable):
        await _roll_up(world, NOW_S - HOUR_S, stored=interrupted)
    await _run(world, NOW_S - HOUR_S)
    # then
    stored = await _stored(world)
    for website in websites:
        exact = _p95(ticks[website], NOW_S)
        assert stored[website] == (1.0, pytest.approx(exact, rel=0.011))
    rows = await world.rows("SELECT DISTINCT since_s, until_s FROM website_latencies")
    assert rows == [(NOW_S - 2 * HOUR_S, NOW_S)]


async def test_hours_that_were_missed_are_made_up_for(world):
    await _add_regions(world, "europe")
    website = await _add(world)
    ticks = _ticks(website, SINCE_S, NOW_S)
    await world.ticks.write(ticks)
    await _run(world, *_hours(-40, -30))
    # when
    await _roll_up(world, *_hours(-30, 0))
    assert await _figures(world).add(NOW_S - HOUR_S) == 25
    # then
    exact = _p95(ticks, NOW_S)
    assert (await _stored(world))[website] == (1.0, pytest.approx(exact, rel=0.011))
    assert await _figures(world).add(NOW_S - HOUR_S) == 0


async def test_late_ticks_are_in_it_after_a_day_at_most(world):
    await _add_regions(world, "europe")
    website = await _add(world)
    ticks = _ticks(website, SINCE_S, NOW_S)
    late = [t for t in ticks if NOW_S - 30 * HOUR_S <= t.slot_s < NOW_S - 29 * HOUR_S]
    await world.ticks.write([t for t in ticks if t not in late])
    await _run(world, *_hours(-40, -28))
    # when
    await world.ticks.write(late)
    await _roll_up(world, NOW_S - 30 * HOUR_S)
    await _run(world, *_hours(-28, 0))
    # then
    exact = _p95(ticks, NOW_S)
    assert (await _stored(world))[website] == (1.0, pytest.approx(exact, rel=0.011))


async def test_slots_that_were_missed_are_gaps(world):
    await _add_regions(world, "asia", "europe")
    whole, partly, never = [await _add(world, f"http://example.com/{n}") for n in range(3)]
    for region in ("asia", "europe"):
        await world.ticks.write(_ticks(whole, NOW_S - 4 * HOUR_S, NOW_S, region=region))
    await world.ticks.write(_ticks(partly, NOW_S - 4 * HOUR_S, NOW_S, region="asia"))
    await world.ticks.write(_ticks(partly, NOW_S - 4 * HOUR_S, NOW_S - 2 * HOUR_S - 1800))
    # when
    await _run(world, *_hours(-4, 0))
    # then those of neighbouring hours are one
    assert await _gaps(world, whole) == {}
    interval = EVERY_S / HOUR_S
    assert await _gaps(world, partly) == {
        "europe": [(pytest.approx(-2.5, abs=interval), pytest.approx(0, abs=interval))]
    }
    begins = (pytest.approx(-4, abs=interval), pytest.approx(0, abs=interval))
    assert await _gaps(world, never) == {"asia": [begins], "europe": [begins]}
    assert (await _stored(world))[never] == (None, None)


async def test_paused_websites_and_those_of_other_regions_have_none(world):
    await _add_regions(world, "asia", "europe")
    paused, elsewhere = await _add(world), await _add(world, regions=["asia"])
    await world.execute(
        "UPDATE websites SET paused_at = to_timestamp(%s) WHERE id = %s", SINCE_S, paused
    )
    await world.ticks.write(_ticks(elsewhere, NOW_S - HOUR_S, NOW_S, region="asia"))
    await _run(world, NOW_S - HOUR_S)
    assert await _gaps(world, paused) == await _gaps(world, elsewhere) == {}


async def test_late_ticks_mend_the_gaps_of_their_hour_alone(world):
    await _add_regions(world, "europe")
    website = await _add(world)
    ticks = _ticks(website, NOW_S - 5 * HOUR_S, NOW_S)
    lost = [t for t in ticks if NOW_S - 4 * HOUR_S <= t.slot_s < NOW_S - HOUR_S]
    await world.ticks.write([t for t in ticks if t not in lost])
    await _run(world, *_hours(-5, 0))
    # when those of the hour in the middle come
    middle_s = NOW_S - 3 * HOUR_S
    await world.ticks.write([t for t in lost if middle_s <= t.slot_s < middle_s + HOUR_S])
    await _roll_up(world, middle_s)
    for _ in range(2):
        await _figures(world).mend(middle_s)
    # then
    (first, second) = (await _gaps(world, website))["europe"]
    interval = EVERY_S / HOUR_S
    assert first == (pytest.approx(-4, abs=interval), pytest.approx(-3, abs=interval))
    assert second == (pytest.approx(-2, abs=interval), pytest.approx(-1, abs=interval))
    # and with all of them there is no gap
    await world.ticks.write(lost)
    for hour_s in _hours(-4, -1):
        await _roll_up(world, hour_s)
        await _figures(world).mend(hour_s)
    assert await _gaps(world, website) == {}


async def test_uptimes_of_those_that_were_down(world):
    # given
    await _add_regions(world, "europe")
    up, down, over = [await _add(world, f"http://example.com/{n}") for n in range(3)]
    for website in (up, down, over):
        await world.ticks.write(_ticks(website, SINCE_S, NOW_S))
    incident = """
        INSERT INTO incidents
               (id, website_id, started_at, resolved_at, resolution, cause, regions)
        VALUES (gen_random_uuid(), %s, to_timestamp(%s), to_timestamp(%s), 'recovered', 'timeout',
                '{europe}')
        """
    await world.execute(incident, down, NOW_S - 4 * HOUR_S, NOW_S - 2 * HOUR_S)
    await world.execute(incident, over, NOW_S - 31 * DAY_S, NOW_S - 30 * DAY_S - HOUR_S)
    # when
    await _run(world, *_hours(-40, 0))
    # then of 40 hours in which it was measured it was down for two
    stored = {website: uptime for website, (uptime, _) in (await _stored(world)).items()}
    assert stored == {up: 1.0, down: pytest.approx(1 - 2 / 40, abs=1e-3), over: 1.0}
    # and once that is a month ago it is up again
    await world.execute(
        "UPDATE incidents SET started_at = started_at - interval '30 days',"
        " resolved_at = resolved_at - interval '30 days' WHERE website_id = %s",
        down,
    )
    await _run(world, NOW_S)
    assert (await _stored(world))[down][0] == 1.0


async def test_a_website_that_was_paused_for_a_month_has_no_uptime_any_more(world):
    # given
    await _add_regions(world, "europe")
    paused, short = [await _add(world, f"http://example.com/{n}") for n in range(2)]
    for website in (paused, short):
        await world.ticks.write(_ticks(website, NOW_S - 40 * HOUR_S, NOW_S - 30 * HOUR_S))
    await _run(world, *_hours(-40, -30))
    # when
    pause = "UPDATE website_periods SET until = to_timestamp(%s) WHERE website_id = %s"
    await world.execute(pause, NOW_S - 30 * HOUR_S, paused)
    await world.execute(
        "UPDATE website_periods SET since = since - interval '30 days',"
        " until = until - interval '30 days' WHERE website_id = %s",
        paused,
    )
    await _run(world, *_hours(-30, 24))
    # then by the next day
    stored = await _stored(world)
    assert (stored[paused][0], stored[short][0]) == (None, 1.0)


async def test_gaps_of_more_than_a_quarter_ago_are_forgotten(world):
    await _add_regions(world, "europe")
    gone, kept = [await _add(world, f"http://example.com/{n}") for n in range(2)]
    async with session(world.pool) as connection:
        old = Window(NOW_S - 120 * DAY_S, NOW_S - 119 * DAY_S)
        late = Window(NOW_S - 80 * DAY_S, NOW_S - 79 * DAY_S)
        await gaps.store(connection, [Counted(gone, "europe", old, [old])])
        await gaps.store(connection, [Counted(kept, "asia", old, [old, late])])
    await _run(world, *_hours(-24, 0))
    assert (await _gaps(world, gone)).keys() == {"europe"}  # that of today alone
    assert (await _gaps(world, kept))["asia"] == [(-80 * 24, -79 * 24)]
    rows = await world.rows("SELECT count(*) FROM gaps WHERE lower(spans) < %s", old.until_s)
    assert rows == [(0,)]


async def test_influxdb_is_asked_a_whole_page_at_once(world, influx_database, monkeypatch):
    # given
    monkeypatch.setattr(hourly_figures, "_PAGE", PAGE)
    world.ticks = tick_store(influx=influx_database)
    await world.ticks.prepare()
    await _add_regions(world, "europe")
    measured, lost = [await _add(world, f"http://example.com/{n}") for n in range(2)]
    await world.insert_websites(numbered_urls(PAGE - 2), check_frequency=EVERY_S)
    recent_s = int(time.time()) // HOUR_S * HOUR_S  # InfluxDB drops what is older than it keeps
    ticks = _ticks(measured, recent_s - 3 * HOUR_S, recent_s)
    ticks += _ticks(lost, recent_s - 2 * HOUR_S, recent_s - HOUR_S)
    await world.ticks.write(ticks)
    # when
    await _run(world, *range(recent_s - 3 * HOUR_S, recent_s, HOUR_S))
    # then
    stored = await _stored(world)
    for website in (measured, lost):
        exact = _p95([t for t in ticks if t.website_id == website], recent_s)
        assert stored[website] == (1.0, pytest.approx(exact, rel=0.011))
    assert await _gaps(world, measured) == {}
    assert len((await _gaps(world, lost))["europe"]) == 2
    await world.ticks.close()
