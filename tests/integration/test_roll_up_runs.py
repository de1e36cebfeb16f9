"""Turns of the roll-up: no hour with ticks stays without one, and none is made twice."""

import pytest

from monitor.domain.errors import Unavailable
from monitor.domain.series import DAY_S, HOUR_S
from monitor.services.checks.ticks import LATE_S
from monitor.services.reports.roll_ups import SETTLED_S
from support.factories import tick
from support.upkeep import (
    THIS_HOUR,
    back,
    given_rolled_up,
    roll_ups_of,
    rolled_up,
    upkeep_of,
)


async def test_hours_missed_in_an_outage_are_rolled_up_oldest_first(world):
    # given
    await given_rolled_up(world, *back(10))
    await world.ticks.write([tick(hour) for hour in back(*range(9, -1, -1))])
    upkeep = roll_ups_of(world)
    # when
    assert await upkeep.run() == 10
    # then: all that are over, and not the one that is not
    assert upkeep.ticks.hours == back(*range(10, 0, -1))
    assert [*await rolled_up(world)] == back(*range(10, 0, -1))


async def test_without_an_outage_each_hour_is_rolled_up_once(world):
    # given
    await given_rolled_up(world, *back(2))
    await roll_ups_of(world).run()
    upkeep = roll_ups_of(world)
    # when
    await upkeep.run()
    world.now_s += HOUR_S
    await upkeep.run()
    # then
    assert upkeep.ticks.hours == [THIS_HOUR]


async def test_if_redis_lost_the_last_roll_up_that_hour_is_repeated(world):
    # given: perhaps it was left in the middle
    await given_rolled_up(world, *back(2))
    await roll_ups_of(world).run()
    await world.redis.flushall()
    upkeep = roll_ups_of(world)
    # when
    await upkeep.run()
    # then
    assert upkeep.ticks.hours == back(2, 1)


async def test_the_first_time_a_day_is_rolled_up(world):
    upkeep = roll_ups_of(world)
    await upkeep.run()
    assert upkeep.ticks.hours == back(*range(24, 0, -1))


async def test_it_goes_back_30_days_and_no_further(world):
    # given
    await given_rolled_up(world, THIS_HOUR - 45 * DAY_S)
    upkeep = roll_ups_of(world)
    # when
    await upkeep.run()
    # then
    # then: the hour in which ticks begin to be dropped is not among them
    first = THIS_HOUR - 30 * DAY_S + HOUR_S
    assert (upkeep.ticks.hours[0], len(upkeep.ticks.hours)) == (first, 719)


async def test_an_interrupted_roll_up_continues_where_it_stopped(world):
    # given
    await given_rolled_up(world, *back(10))
    await world.ticks.write([tick(hour) for hour in back(*range(9, 0, -1))])
    upkeep = roll_ups_of(world)
    (upkeep.ticks.fails_at,) = back(6)
    with pytest.raises(Unavailable):
        await upkeep.run()
    # when
    again = roll_ups_of(world)
    await again.run()
    # then
    assert again.ticks.hours == back(*range(6, 0, -1))
    assert [*await rolled_up(world)] == back(*range(10, 0, -1))


async def test_hours_noted_by_a_clock_ahead_are_rolled_up_when_over(world):
    # given
    await given_rolled_up(world, *back(1))
    world.now_s += 3 * HOUR_S
    await roll_ups_of(world).run()
    world.now_s -= 3 * HOUR_S
    await roll_ups_of(world).run()
    # when
    world.now_s += HOUR_S
    upkeep = roll_ups_of(world)
    await upkeep.run()
    # then
    assert upkeep.ticks.hours == [THIS_HOUR]


async def test_an_hour_that_ends_during_a_run_is_rolled_up_by_it(world):
    # given
    await given_rolled_up(world, *back(3))
    await world.ticks.write([tick(hour) for hour in back(2, 1, 0)])
    upkeep = roll_ups_of(world)

    async def an_hour_ends(hour_s):
        if hour_s == THIS_HOUR - HOUR_S:
            world.now_s += HOUR_S
            # when the next turn comes
            assert await upkeep.run() == 0

    upkeep.ticks.meanwhile = an_hour_ends
    await upkeep.run()
    # then
    assert upkeep.ticks.hours == back(3, 2, 1, 0)


async def test_an_hour_that_ends_while_late_ones_are_repeated_is_rolled_up_by_that_run(world):
    # given
    old, older, last = back(20, 30, 1)
    await given_rolled_up(world, last)
    await roll_ups_of(world).run()
    await world.buffer.note_late({old, older})
    upkeep = roll_ups_of(world)

    async def an_hour_ends(hour_s):
        if hour_s in (old, older):
            world.now_s += HOUR_S

    upkeep.ticks.meanwhile = an_hour_ends
    # when
    await upkeep.run()
    # then
    assert set(upkeep.ticks.hours) == {old, older, THIS_HOUR, THIS_HOUR + HOUR_S}


@pytest.mark.parametrize("after_s", [0, LATE_S - 1, LATE_S + 1, SETTLED_S, 600])
async def test_no_tick_is_missed_however_soon_the_roll_up_runs(world, after_s):
    # given
    (last,) = back(1)
    await given_rolled_up(world, *back(2))
    await roll_ups_of(world).run()
    world.now_s = THIS_HOUR + after_s
    await roll_ups_of(world).run()
    # when a tick of the last hour is written then
    await world.buffer.push([tick(last + 3590)])
    await upkeep_of(world).write_buffered()
    world.now_s = THIS_HOUR + HOUR_S // 2
    await roll_ups_of(world).run()
    # then
    assert (await rolled_up(world))[last] == 1


class _Follower:
    """Remembers the hours that it is told of, and can fail once."""

    def __init__(self):
        self.added, self.repeated = [], []
        self.fails_at = None

    async def add(self, hour_s):
        if hour_s == self.fails_at:
            self.fails_at = None
            raise Unavailable("postgres", "is away")
        self.added.append(hour_s)

    async def repeat(self, hour_s):
        self.repeated.append(hour_s)


async def test_what_is_made_of_hours_follows_each_of_them(world):
    # given
    await given_rolled_up(world, *back(3))
    follower = _Follower()
    roll_ups = roll_ups_of(world, added=follower.add, repeated=follower.repeat)
    # when
    await roll_ups.run()
    # then
    assert follower.added == back(3, 2, 1)
    # and one that was repeated, for late ticks, is told as such
    await world.buffer.note_late({*back(2)})
    await roll_ups.run()
    assert follower.repeated == back(2)


async def test_what_follows_an_hour_and_failed_is_tried_again_with_the_next_run(world):
    await given_rolled_up(world, *back(2))
    follower = _Follower()
    roll_ups = roll_ups_of(world, added=follower.add)
    await roll_ups.run()
    follower.added.clear()
    # when
    world.now_s += HOUR_S
    await roll_ups.ticks.write([tick(THIS_HOUR)])
    follower.fails_at = THIS_HOUR
    with pytest.raises(Unavailable):
        await roll_ups.run()
    await roll_ups.run()
    # then: the hour is rolled up by then
    assert THIS_HOUR in follower.added


async def test_hours_that_are_rebuilt_count_as_repeated(world):
    await world.ticks.write([tick(hour) for hour in back(3, 2)])
    follower = _Follower()
    roll_ups = roll_ups_of(world, repeated=follower.repeat)
    await roll_ups.rebuild(*back(3, 1))
    assert follower.repeated == back(3, 2)
