"""Days follow their hours: none is missed, none is lost, and late ticks mend both."""

import datetime as dt

import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Misconfigured, Unavailable
from monitor.domain.histogram import Histogram
from monitor.domain.ids import ring_position
from monitor.domain.ring import slots_of_position
from monitor.domain.rollup import Gap
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.verdict import Verdict
from monitor.storage.postgres import flips, rolled_up_days
from monitor.storage.postgres.pool import session
from monitor.storage.postgres.rolled_up_days import DaysDone
from monitor.storage.timeseries.contract import KeptDays
from support.factories import SHOP, flip_down, tick
from support.upkeep import THIS_HOUR, given_rolled_up, roll_ups_of, upkeep_of

TODAY = THIS_HOUR // DAY_S * DAY_S
EVERY_S = 180


def _before(days):
    return TODAY - days * DAY_S


async def _done(world):
    async with session(world.pool) as connection:
        return await rolled_up_days.fetch(connection)


async def _days(world, website=SHOP):
    """{start: roll-up} of all days of a website."""
    found = await world.ticks.daily([website], "europe", _before(500), TODAY + DAY_S)
    return {day.start_s: day for day in found.get(website, [])}


async def _given_website(world, since_s):
    """A website that is checked every three minutes since then, and its region."""
    await world.add_region("europe")
    website = await world.add_website(every=EVERY_S)
    since = dt.datetime.fromtimestamp(since_s, dt.UTC)
    async with session(world.pool) as connection:
        await connection.execute(
            "INSERT INTO region_periods (region, since) VALUES ('europe', %s)", [since]
        )
        await connection.execute("DELETE FROM website_periods")
        await connection.execute(
            "INSERT INTO website_periods (website_id, since, check_frequency) VALUES (%s, %s, %s)",
            [website, since, EVERY_S],
        )
        await connection.execute("UPDATE websites SET created_at = %s", [since])
    return website


def _slots(website, since_s, until_s):
    return slots_of_position(ring_position(website), EVERY_S, since_s, until_s)


async def _at(world, unix_s):
    """Roll up what is due at this time."""
    world.now_s = unix_s
    roll_ups = roll_ups_of(world)
    await roll_ups.run()
    return roll_ups.ticks


async def test_a_day_is_rolled_up_after_its_last_hour_and_once(world):
    await _at(world, TODAY - 600)
    assert await _done(world) == DaysDone(_before(2), _before(2))
    # when
    midnight, noon, next_day = [
        (await _at(world, at)).days for at in (TODAY + 600, TODAY + DAY_S // 2, TODAY + DAY_S + 600)
    ]
    # then
    assert (midnight, noon, next_day) == ([_before(1)], [], [TODAY])
    assert await _done(world) == DaysDone(_before(2), TODAY)


async def test_hours_and_days_know_what_was_due(world):
    # given: a website of yesterday, with a gap from 3:00 to 5:30
    website = await _given_website(world, _before(1))
    slots = _slots(website, _before(1), TODAY)
    away = [s for s in slots if 3 * HOUR_S <= s - _before(1) < 5.5 * HOUR_S]
    times = {s: 10.0 + s % 100 for s in slots if s not in away}
    await world.ticks.write([tick(s, ms, website=website) for s, ms in times.items()])
    # when
    await _at(world, TODAY + 600)
    # then
    day = (await _days(world, website))[_before(1)]
    assert (day.checks, day.expected, day.measured) == (430, 480, 430)
    assert day.gaps == (Gap(away[0], away[-1] + EVERY_S),)
    assert day.histogram == Histogram.of(times.values())
    hours = (await world.ticks.hourly([website], None, _before(1), TODAY))[website]
    assert sum(h.expected for h in hours) == 440  # two hours have no check, and so no roll-up
    assert [len(h.gaps) for h in hours if h.gaps] == [1]


async def test_what_was_due_before_schedules_were_kept_is_not_known(world):
    # given: a website that is older than its first period, as after an upgrade at half past ten
    website = await _given_website(world, _before(1) + 10.5 * HOUR_S)
    async with session(world.pool) as connection:
        await connection.execute("UPDATE websites SET created_at = to_timestamp(0)")
    slots = _slots(website, _before(1), TODAY)
    await world.ticks.write([tick(s, website=website) for s in slots])
    # when
    await _at(world, TODAY + 600)
    # then: from the first whole hour on it is
    hours = (await world.ticks.hourly([website], None, _before(1), TODAY))[website]
    assert [h.expected for h in hours] == [None] * 11 + [20] * 13
    day = (await _days(world, website))[_before(1)]
    assert (day.checks, day.expected, day.gaps) == (480, None, ())


async def test_late_ticks_mend_their_hour_and_their_day(world):
    # given
    await given_rolled_up(world, _before(1) + HOUR_S)
    await _at(world, TODAY + 600)
    await world.buffer.push([tick(_before(1) + HOUR_S + 60, 5.0), tick(TODAY + 60)])
    await upkeep_of(world).write_buffered()
    # when
    ran = await _at(world, TODAY + 900)
    # then
    assert (ran.hours, ran.days) == ([_before(1) + HOUR_S], [_before(1)])
    day = (await _days(world))[_before(1)]
    assert (day.checks, day.histogram) == (2, Histogram.of([1.0, 5.0]))
    assert await world.buffer.late_hours() == {}


async def test_what_is_interrupted_between_hour_and_day_comes_again(world):
    # given
    await given_rolled_up(world, _before(1) + HOUR_S)
    await _at(world, TODAY + 600)
    await world.buffer.push([tick(_before(1) + HOUR_S + 60)])
    await upkeep_of(world).write_buffered()
    roll_ups = roll_ups_of(world)
    roll_ups.ticks.fails_at_day = _before(1)
    with pytest.raises(Unavailable):
        await roll_ups.run()
    # when
    await _at(world, TODAY + 900)
    # then
    assert (await _days(world))[_before(1)].checks == 2


async def test_days_missed_in_an_outage_are_made_oldest_first(world):
    # given
    await _at(world, _before(5) + 600)
    # when
    ran = await _at(world, TODAY + 600)
    # then
    assert ran.days == [_before(n) for n in (5, 4, 3, 2, 1)]
    assert await _done(world) == DaysDone(_before(6), _before(1))


async def test_hours_go_on_where_days_cannot_be_stored_and_those_are_made_up_for(world):
    # given: as where the bucket of days is missing
    await _at(world, TODAY - 600)
    await world.buffer.note_late({_before(1) + HOUR_S})
    roll_ups = roll_ups_of(world)
    roll_ups.ticks.fails_at_day = _before(1)
    roll_ups.ticks.day_error = Misconfigured("influxdb", "there is no bucket")
    world.now_s = TODAY + 5 * HOUR_S
    # when
    await roll_ups.run()
    # then
    hours = [TODAY - HOUR_S + n * HOUR_S for n in range(5)]
    assert roll_ups.ticks.hours == [*hours, _before(1) + HOUR_S]
    assert await _done(world) == DaysDone(_before(2), _before(2))
    assert (await _at(world, TODAY + 6 * HOUR_S)).days == [_before(1)]


async def test_after_an_upgrade_the_days_of_kept_hours_are_made_latest_first(world):
    # given: hours from before there were days, of which the oldest are a year back
    website = await _given_website(world, _before(6))
    for days in (6, 5, 3):
        await world.ticks.write([tick(_before(days), 2.0, website=website)])
        await world.ticks.roll_up(_before(days))
    # when
    ran = await _at(world, TODAY + 600)
    # then: and none from before the website was there
    assert ran.days == [_before(n) for n in range(1, 7)]
    assert [*await _days(world, website)] == [_before(n) for n in (6, 5, 3)]
    assert (await _at(world, TODAY + 700)).days == []


async def test_days_whose_hours_are_not_all_kept_are_not_made(world):
    # given
    await _given_website(world, _before(30))
    world.now_s = TODAY + 600
    roll_ups = roll_ups_of(world, KeptDays(30, 10, 1100))
    # when
    await roll_ups.run()
    # then: the tenth has begun to go
    assert roll_ups.ticks.days == [_before(n) for n in range(1, 10)]


async def test_a_day_noted_by_a_clock_ahead_is_made_when_it_is_over(world):
    # given
    await _at(world, TODAY + DAY_S + 600)
    assert (await _done(world)).last_s == TODAY
    # when
    await _at(world, TODAY + 600)
    # then
    assert (await _done(world)).last_s == _before(1)
    assert (await _at(world, TODAY + DAY_S + 600)).days == [TODAY]


async def test_rebuilding_leaves_what_is_not_all_kept_as_it_is(world):
    # given: three days with more ticks than they were rolled up with; the first is beyond retention
    kept = KeptDays(3, 400, 1100)
    world.now_s = TODAY + 2 * HOUR_S
    for days in (4, 3, 2, 1):
        await world.ticks.write([tick(_before(days) + HOUR_S, 2.0)])
        await world.ticks.roll_up(_before(days) + HOUR_S)
        await world.ticks.roll_up_day(_before(days))
        await world.ticks.write([tick(_before(days) + HOUR_S + 60, 4.0)])
    before = await _days(world)
    seen = []
    # when
    rebuilt = await roll_ups_of(world, kept).rebuild(
        _before(4), TODAY + DAY_S, lambda *step: seen.append(step)
    )
    # then: three days ago ticks have begun to go, at two in the morning
    after = await _days(world)
    assert [after[_before(n)] for n in (4, 3)] == [before[_before(n)] for n in (4, 3)]
    assert [after[_before(n)].checks for n in (4, 3, 2, 1)] == [1, 1, 2, 2]
    assert after[_before(1)].histogram == Histogram.of([2.0, 4.0])
    assert rebuilt.days_left == (_before(4), _before(3), TODAY)
    hours = range(_before(4), TODAY + DAY_S, HOUR_S)
    over = TODAY + HOUR_S  # the hour before two is over and not settled yet
    assert rebuilt.hours_left == tuple(h for h in hours if h < _before(3) + 2 * HOUR_S or h >= over)
    assert (rebuilt.hours, rebuilt.days) == (22 + 24 + 24 + 1, 2)
    assert seen[0] == (0, rebuilt.hours + 2)
    assert seen[-1] == (rebuilt.hours + 2, rebuilt.hours + 2)


async def test_old_flips_and_periods_go(world):
    # given
    website = await _given_website(world, _before(2000))
    async with session(world.pool) as connection:
        until = dt.datetime.fromtimestamp(_before(1200), dt.UTC)
        await connection.execute("UPDATE website_periods SET until = %s", [until])
        await connection.execute(
            "INSERT INTO website_periods (website_id, since, check_frequency) VALUES (%s, %s, 60)",
            [website, until],
        )
    for days in (1300, 1200, 10):
        await world.recorder().record([flip_down(website, _before(days))])
    # when
    world.now_s = TODAY
    await roll_ups_of(world).expire_history()
    # then
    async with session(world.pool) as connection:
        rows = await connection.execute("SELECT check_frequency FROM website_periods")
        assert await rows.fetchall() == [(60,)]
        since, until = (dt.datetime.fromtimestamp(_before(n), dt.UTC) for n in (1100, 0))
        held = await flips.fetch(connection, [website], since, until)
    assert [(f.at_s, f.verdict) for f in held[website]] == [
        (_before(1200), Verdict.DOWN),
        (_before(10), Verdict.DOWN),
    ]


async def test_where_no_day_can_be_stored_hours_go_on_and_days_are_made_up_for(world):
    # given: as after an upgrade, whose InfluxDB has no daily bucket yet
    roll_ups = roll_ups_of(world)
    roll_ups.ticks.lacks_days = Misconfigured("influxdb", "it has no bucket for daily roll-ups")
    late_s = TODAY - 5 * HOUR_S
    await world.buffer.note_rolled_up(TODAY - 2 * HOUR_S)
    await world.buffer.note_late({late_s})
    world.now_s = TODAY + 600
    # when
    with capture_logs() as logs:
        await roll_ups.run()
    # then
    assert roll_ups.ticks.hours == [TODAY - HOUR_S, late_s]
    assert await world.buffer.late_hours() == {}
    assert (roll_ups.ticks.days, await _done(world)) == ([], None)
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == [
        "ticks.days_not_rolled_up"
    ]
    # when somebody has made it
    roll_ups.ticks.lacks_days = None
    world.now_s = TODAY + 3600 + 600
    await roll_ups.run()
    # then
    assert _before(1) in roll_ups.ticks.days
    assert await _done(world) == DaysDone(_before(1), _before(1))


async def test_what_keeps_hours_from_being_stored_is_raised(world):
    roll_ups = roll_ups_of(world)
    world.now_s = TODAY + 600

    async def refused(_hour_s):
        raise Misconfigured("influxdb", "it refuses INFLUXDB_TOKEN")

    roll_ups.ticks.meanwhile = refused
    with pytest.raises(Misconfigured):
        await roll_ups.run()


async def test_a_late_hour_of_a_day_that_is_done_waits_until_its_day_can_be_repeated(world):
    # given
    await _at(world, TODAY + 600)
    roll_ups = roll_ups_of(world)
    late_s = TODAY - 5 * HOUR_S
    await world.buffer.note_late({late_s})
    roll_ups.ticks.lacks_days = Misconfigured("influxdb", "it has no bucket for daily roll-ups")
    # when
    await roll_ups.run()
    # then
    assert roll_ups.ticks.hours[-1] == late_s
    assert list(await world.buffer.late_hours()) == [late_s]
    # when
    roll_ups.ticks.lacks_days = None
    await roll_ups.run()
    # then
    assert roll_ups.ticks.days == [_before(1)]
    assert await world.buffer.late_hours() == {}
