"""Ticks that come late or had to be kept: their hours are rolled up again."""

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Unavailable
from monitor.domain.series import DAY_S
from monitor.services.checks.check import check_batch
from support.factories import START_S, batch_message, tick
from support.ticks import hourly_buckets
from support.upkeep import (
    THIS_HOUR,
    back,
    given_rolled_up,
    roll_ups_of,
    rolled_up,
    upkeep_of,
)


async def test_late_ticks_are_added_to_hours_already_rolled_up(world):
    # given
    old, last, current = back(30, 1, 0)
    for hour in (old, last):
        await given_rolled_up(world, hour)
    await roll_ups_of(world).run()
    await world.buffer.push([tick(old + 60), tick(old + 90)])
    await world.buffer.push([tick(old + 120), tick(current + 60)])
    upkeep = roll_ups_of(world)
    # when
    assert await upkeep_of(world).write_buffered() == 4
    await upkeep.run()
    # then: the old one once, though it was noted twice
    assert upkeep.ticks.hours == [old]
    assert await rolled_up(world) == {old: 4, last: 1}
    assert await world.buffer.late_hours() == {}


async def test_a_batch_after_its_hour_repeats_the_roll_up(world):
    # given a daily website whose batch waited for an hour
    await world.add_region("europe")
    website = await world.add_website(every=DAY_S)
    await world.sync()
    (last,) = back(1)
    world.now_s = THIS_HOUR + 600
    await roll_ups_of(world).run()
    batch = batch_message(interval_s=DAY_S, slot_ms=(last + 3590) * 1000)
    # when
    await check_batch(world.worker(), batch)
    upkeep = roll_ups_of(world)
    await upkeep.run()
    # then
    assert upkeep.ticks.hours == [last]
    found = await hourly_buckets(world.ticks, website, None, last, THIS_HOUR)
    assert [b.checks for b in found] == [1]


async def test_ticks_that_arrive_during_a_repeated_roll_up_are_not_lost(world):
    # given
    (old,) = back(30)
    await given_rolled_up(world, old)
    await given_rolled_up(world, *back(1))
    await world.buffer.push([tick(old + 60)])
    await upkeep_of(world).write_buffered()
    upkeep = roll_ups_of(world)
    store_s = upkeep.ticks.roll_up

    async def roll_up_beside_a_late_tick(hour_s, *others):
        found = await store_s(hour_s, *others)
        if hour_s == old and upkeep.ticks.hours.count(old) == 1:
            await world.buffer.push([tick(old + 120)])
            await upkeep_of(world).write_buffered()
        return found

    upkeep.ticks.roll_up = roll_up_beside_a_late_tick
    # when
    await upkeep.run()
    await upkeep.run()
    # then
    assert (await rolled_up(world))[old] == 3


async def test_late_ticks_do_not_hide_hours_without_roll_up(world):
    # given: nothing was rolled up for ten hours, and ticks of the sixth had to wait
    await given_rolled_up(world, *back(10))
    await world.ticks.write([tick(hour) for hour in back(9, 8, 7, 5, 4)])
    await world.buffer.push([tick(hour) for hour in back(6)])
    upkeep = roll_ups_of(world)
    # when
    await upkeep_of(world).write_buffered()
    await upkeep.run()
    # then
    assert [*await rolled_up(world)] == back(*range(10, 3, -1))


async def test_a_failed_repeated_roll_up_is_retried_by_the_next_run(world):
    # given
    (old,) = back(30)
    await given_rolled_up(world, old)
    await given_rolled_up(world, *back(1))
    await world.buffer.push([tick(old + 60)])
    upkeep = roll_ups_of(world)
    upkeep.ticks.fails_at = old
    await upkeep_of(world).write_buffered()
    with pytest.raises(Unavailable):
        await upkeep.run()
    # when
    await roll_ups_of(world).run()
    # then
    assert (await rolled_up(world))[old] == 2


@pytest.mark.parametrize(
    "chunk", [b"\xc1", b"", msgspec.msgpack.encode([{"up": 1}]), b"\xa2\xff\xfe"]
)
async def test_an_unreadable_chunk_does_not_block_others(world, chunk):
    # given
    await world.redis.rpush("monitor:ticks", chunk)
    await world.redis.incrby("monitor:ticks:bytes", len(chunk))
    await world.buffer.push([tick(START_S)])
    # when
    with capture_logs() as lines:
        assert await upkeep_of(world).write_buffered() == 1
    # then
    assert [
        (line["log_level"], line["chunks"], line["size"])
        for line in lines
        if line["event"] == "ticks.unreadable"
    ] == [("error", 1, len(chunk))]
    assert await world.redis.llen("monitor:ticks") == 0
    assert int(await world.redis.get("monitor:ticks:bytes")) == 0
