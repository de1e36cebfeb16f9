"""Roll-ups and kept ticks after an outage: no hour with ticks stays without its roll-up."""

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Unavailable
from monitor.domain.messages import CheckBatch
from monitor.domain.outcome import Tick, Timings
from monitor.domain.ring import POSITIONS
from monitor.domain.series import DAY_S, HOUR_S
from monitor.services.check import check_batch
from monitor.services.ticks import Keeper, roll_up, write_kept
from support.ticks import SHOP
from support.world import START_S, run

THIS_HOUR = START_S // HOUR_S * HOUR_S


@pytest.fixture
def play(database_url, redis_url):
    return lambda scenario: run(scenario, database_url, redis_url)


class Watched:
    """A tick store that remembers which hours were rolled up, and can fail at one."""

    def __init__(self, store):
        self._store = store
        self.hours = []
        self.fails_at = None

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def roll_up(self, hour_s):
        if hour_s == self.fails_at:
            raise Unavailable("postgres", "is away")
        self.hours.append(hour_s)
        return await self._store.roll_up(hour_s)


def _keeper(world):
    return Keeper(Watched(world.ticks), world.buffer, world.now)


def _back(*hours):
    """The starts of the hours that began so many hours before this one."""
    return [THIS_HOUR - HOUR_S * n for n in hours]


def _tick(slot_s):
    return Tick(SHOP, "europe", slot_s, True, None, 200, 1.0, Timings())


async def _rolled_up(world):
    """Hour: checks, of all roll-ups."""
    since = THIS_HOUR - 60 * DAY_S
    found = await world.ticks.hourly_buckets(SHOP, None, since, THIS_HOUR + HOUR_S)
    return {b.start_s: b.checks for b in found}


async def _given_rolled_up(world, hour_s):
    await world.ticks.write([_tick(hour_s)])
    assert await world.ticks.roll_up(hour_s) == 1


def test_hours_missed_in_an_outage_are_rolled_up_oldest_first(play):
    async def scenario(world):
        # given
        await _given_rolled_up(world, *_back(10))
        await world.ticks.write([_tick(hour) for hour in _back(*range(9, -1, -1))])
        keeper = _keeper(world)
        # when
        assert await roll_up(keeper) == 10
        # then: all that are over, and not the one that is not
        assert keeper.ticks.hours == _back(*range(10, 0, -1))
        assert [*await _rolled_up(world)] == _back(*range(10, 0, -1))

    play(scenario)


def test_without_an_outage_each_hour_is_rolled_up_once(play):
    async def scenario(world):
        # given
        await _given_rolled_up(world, *_back(2))
        await roll_up(_keeper(world))
        keeper = _keeper(world)
        # when
        await roll_up(keeper)
        world.now_s += HOUR_S
        await roll_up(keeper)
        # then
        assert keeper.ticks.hours == [THIS_HOUR]

    play(scenario)


def test_where_redis_forgot_what_was_done_the_last_hour_is_made_again(play):
    async def scenario(world):
        # given: perhaps it was left in the middle
        await _given_rolled_up(world, *_back(2))
        await roll_up(_keeper(world))
        await world.redis.flushall()
        keeper = _keeper(world)
        # when
        await roll_up(keeper)
        # then
        assert keeper.ticks.hours == _back(2, 1)

    play(scenario)


def test_the_first_time_a_day_is_rolled_up(play):
    async def scenario(world):
        keeper = _keeper(world)
        await roll_up(keeper)
        assert keeper.ticks.hours == _back(*range(24, 0, -1))

    play(scenario)


def test_it_goes_back_30_days_and_no_further(play):
    async def scenario(world):
        # given
        await _given_rolled_up(world, THIS_HOUR - 45 * DAY_S)
        keeper = _keeper(world)
        # when
        await roll_up(keeper)
        # then
        assert (keeper.ticks.hours[0], len(keeper.ticks.hours)) == (THIS_HOUR - 30 * DAY_S, 720)

    play(scenario)


def test_what_failed_in_the_middle_goes_on_from_there(play):
    async def scenario(world):
        # given
        await _given_rolled_up(world, *_back(10))
        await world.ticks.write([_tick(hour) for hour in _back(*range(9, 0, -1))])
        keeper = _keeper(world)
        (keeper.ticks.fails_at,) = _back(6)
        with pytest.raises(Unavailable):
            await roll_up(keeper)
        # when
        again = _keeper(world)
        await roll_up(again)
        # then
        assert again.ticks.hours == _back(*range(6, 0, -1))
        assert [*await _rolled_up(world)] == _back(*range(10, 0, -1))

    play(scenario)


def test_hours_that_a_clock_ahead_has_noted_are_rolled_up_in_their_time(play):
    async def scenario(world):
        # given
        await _given_rolled_up(world, *_back(1))
        world.now_s += 3 * HOUR_S
        await roll_up(_keeper(world))
        world.now_s -= 3 * HOUR_S
        await roll_up(_keeper(world))
        # when
        world.now_s += HOUR_S
        keeper = _keeper(world)
        await roll_up(keeper)
        # then
        assert keeper.ticks.hours == [THIS_HOUR]

    play(scenario)


def test_an_hour_that_ends_meanwhile_is_rolled_up_in_the_same_turn_and_no_other(play):
    async def scenario(world):
        # given
        await _given_rolled_up(world, *_back(3))
        await world.ticks.write([_tick(hour) for hour in _back(2, 1, 0)])
        keeper = _keeper(world)
        store_s = keeper.ticks.roll_up

        async def roll_up_for_long(hour_s):
            if hour_s == THIS_HOUR - HOUR_S:
                world.now_s += HOUR_S
                # when the next turn comes
                assert await roll_up(keeper) == 0
            return await store_s(hour_s)

        keeper.ticks.roll_up = roll_up_for_long
        await roll_up(keeper)
        # then
        assert keeper.ticks.hours == _back(3, 2, 1, 0)

    play(scenario)


def test_late_ticks_are_counted_in_hours_long_rolled_up(play):
    async def scenario(world):
        # given
        old, last, current = _back(30, 1, 0)
        for hour in (old, last):
            await _given_rolled_up(world, hour)
        await roll_up(_keeper(world))
        await world.buffer.push([_tick(old + 60), _tick(old + 90)])
        await world.buffer.push([_tick(old + 120), _tick(current + 60)])
        keeper = _keeper(world)
        # when
        assert await write_kept(keeper) == 4
        await roll_up(keeper)
        # then: the old one once, though it was noted twice
        assert keeper.ticks.hours == [old]
        assert await _rolled_up(world) == {old: 4, last: 1}
        assert await world.buffer.late_hours() == {}

    play(scenario)


def test_a_batch_that_comes_after_its_hour_has_it_rolled_up_again(play):
    async def scenario(world):
        # given a daily website whose batch waited for an hour
        await world.add_region("europe")
        website = await world.add_website(every=DAY_S)
        await world.sync()
        (last,) = _back(1)
        world.now_s = THIS_HOUR + 600
        await roll_up(_keeper(world))
        batch = CheckBatch(
            region="europe", interval_s=DAY_S, lo=0, hi=POSITIONS, slot_ms=(last + 3590) * 1000
        )
        # when
        await check_batch(world.worker(), batch)
        keeper = _keeper(world)
        await roll_up(keeper)
        # then
        assert keeper.ticks.hours == [last]
        found = await world.ticks.hourly_buckets(website, None, last, THIS_HOUR)
        assert [b.checks for b in found] == [1]

    play(scenario)


def test_ticks_that_come_while_their_hour_is_made_again_are_not_forgotten(play):
    async def scenario(world):
        # given
        (old,) = _back(30)
        await _given_rolled_up(world, old)
        await _given_rolled_up(world, *_back(1))
        await world.buffer.push([_tick(old + 60)])
        await write_kept(_keeper(world))
        keeper = _keeper(world)
        store_s = keeper.ticks.roll_up

        async def roll_up_beside_a_late_tick(hour_s):
            found = await store_s(hour_s)
            if hour_s == old and keeper.ticks.hours.count(old) == 1:
                await world.buffer.push([_tick(old + 120)])
                await write_kept(keeper)
            return found

        keeper.ticks.roll_up = roll_up_beside_a_late_tick
        # when
        await roll_up(keeper)
        await roll_up(keeper)
        # then
        assert (await _rolled_up(world))[old] == 3

    play(scenario)


def test_late_ticks_do_not_hide_hours_that_wait_for_their_roll_up(play):
    async def scenario(world):
        # given: nothing was rolled up for ten hours, and ticks of the sixth had to wait
        await _given_rolled_up(world, *_back(10))
        await world.ticks.write([_tick(hour) for hour in _back(9, 8, 7, 5, 4)])
        await world.buffer.push([_tick(hour) for hour in _back(6)])
        keeper = _keeper(world)
        # when
        await write_kept(keeper)
        await roll_up(keeper)
        # then
        assert [*await _rolled_up(world)] == _back(*range(10, 3, -1))

    play(scenario)


def test_a_roll_up_that_fails_after_late_ticks_is_made_the_next_time(play):
    async def scenario(world):
        # given
        (old,) = _back(30)
        await _given_rolled_up(world, old)
        await _given_rolled_up(world, *_back(1))
        await world.buffer.push([_tick(old + 60)])
        keeper = _keeper(world)
        keeper.ticks.fails_at = old
        await write_kept(keeper)
        with pytest.raises(Unavailable):
            await roll_up(keeper)
        # when
        await roll_up(_keeper(world))
        # then
        assert (await _rolled_up(world))[old] == 2

    play(scenario)


@pytest.mark.parametrize(
    "chunk", [b"\xc1", b"", msgspec.msgpack.encode([{"up": 1}]), b"\xa2\xff\xfe"]
)
def test_a_chunk_that_cannot_be_read_does_not_block_the_others(play, chunk):
    async def scenario(world):
        # given
        await world.redis.rpush("monitor:ticks", chunk)
        await world.redis.incrby("monitor:ticks:bytes", len(chunk))
        await world.buffer.push([_tick(START_S)])
        # when
        with capture_logs() as lines:
            assert await write_kept(_keeper(world)) == 1
        # then
        assert [
            (line["log_level"], line["chunks"], line["size"])
            for line in lines
            if line["event"] == "ticks.unreadable"
        ] == [("error", 1, len(chunk))]
        assert await world.redis.llen("monitor:ticks") == 0
        assert int(await world.redis.get("monitor:ticks:bytes")) == 0

    play(scenario)
