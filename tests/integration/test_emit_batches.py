"""Two schedulers queue a minute's batches once, and each website's turn comes once an interval."""

import asyncio
import threading
import time
from dataclasses import replace
from uuid import uuid4

import pytest
import redis as redis_client

from monitor.domain.errors import Unavailable
from monitor.domain.messages import (
    CheckBatch,
    check_batch,
    check_websites,
    decode,
)
from monitor.domain.ring import Ring
from monitor.queue.broker import Broker
from monitor.services.scheduling.emit import BatchEmitter, batches_of_minute, minute_to_emit
from monitor.services.scheduling.missed_slots import slots_of
from monitor.storage.redis import keys
from monitor.storage.redis.minutes import DispatchedMinutes
from monitor.storage.redis.regions import Regions
from support.factories import batch_message, numbered_urls, recheck_message
from support.ports import free_port

MINUTE_S = 1_790_000_040


def _queued(redis_url, queue):
    with redis_client.Redis.from_url(redis_url) as client:
        return client.hlen(f"dramatiq:{queue}.msgs")


async def _emit(world, *minutes, websites=1200, every=180, batch_size=500):
    """When each website is checked: its slots by its id."""
    await world.add_region("europe")
    await world.insert_websites(numbered_urls(websites), check_frequency=every)
    await world.sync()
    slots = {}
    for minute in minutes:
        for _, batches in await batches_of_minute(world.projection, minute, batch_size):
            for batch in batches:
                p = decode(batch.kwargs()["payload"], CheckBatch)
                ring = Ring(p.region, p.interval_s)
                for entry in await world.projection.read_arc(ring, p.lo, p.hi):
                    slots.setdefault(entry.website_id, []).append(p.slot_ms)
    return slots


async def test_three_minutes_check_every_website_once(world):
    # when the minutes of one interval are emitted
    found = await _emit(world, MINUTE_S, MINUTE_S + 60, MINUTE_S + 120)
    # then
    assert len(found) == 1200
    assert {len(slots) for slots in found.values()} == {1}


async def test_the_load_is_spread_over_the_interval(world):
    found = await _emit(world, *(MINUTE_S + 60 * n for n in range(3)), batch_size=50)
    slots = sorted(slot for slots in found.values() for slot in slots)
    # then each tenth of the interval holds about a tenth of the checks
    tenths = [0] * 10
    for slot in slots:
        tenths[(slot - MINUTE_S * 1000) * 10 // 180_000] += 1
    assert all(60 <= n <= 180 for n in tenths)


async def test_thirty_second_websites_come_twice_a_minute(world):
    found = await _emit(world, MINUTE_S, websites=100, every=30)
    assert {len(slots) for slots in found.values()} == {2}
    assert all(b - a == 30_000 for a, b in found.values())


def _batch(n):
    return check_batch(batch_message(lo=n, hi=n + 1, slot_ms=MINUTE_S * 1000))


def test_concurrent_schedulers_dispatch_a_minute_once(broker, redis_url):
    # given
    claim, won = keys.emitted(Ring("europe", 180), MINUTE_S), []
    barrier = threading.Barrier(8)

    def schedule():
        mine = Broker(redis_url)
        barrier.wait()
        won.append(mine.send_once(claim, 60, [_batch(n) for n in range(50)]))
        mine.client.close()

    threads = [threading.Thread(target=schedule) for _ in range(8)]
    # when
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then
    assert sorted(won) == [False] * 7 + [True]
    assert _queued(redis_url, "checks.europe") == 50


def test_dispatched_minute_is_not_dispatched_again(broker, redis_url):
    claim = keys.emitted(Ring("europe", 180), MINUTE_S)
    assert broker.send_once(claim, 60, [_batch(0)])
    assert not broker.send_once(claim, 60, [_batch(0)])
    assert _queued(redis_url, "checks.europe") == 1


@pytest.fixture
async def emitter(world, broker):
    """Over 60 websites of every three minutes in two regions."""
    for region in ("asia", "europe"):
        await world.add_region(region)
    for _ in range(60):
        await world.add_website()
    await world.sync()
    return BatchEmitter(
        world.projection, Regions(world.redis), DispatchedMinutes(world.redis), broker, 10
    )


async def _due(emitter, minute_s):
    """What counts of a minute that is left out in both regions."""
    counted = {}
    for region in ("asia", "europe"):
        ring = Ring(region, 180)
        batches, checks = await slots_of(emitter.projection, ring, minute_s, minute_s + 60, 10)
        counted[f"dropped_batches:{region}"] = batches
        counted[f"not_measured:{region}"] = checks
    return counted


async def test_a_region_without_workers_gets_no_more_batches(broker, emitter, redis_url):
    # given a region whose queue holds more than its workers can be about to do
    broker.send([_batch(n) for n in range(2001)])
    # when two schedulers say so
    await emitter.emit_minute(MINUTE_S)
    await emitter.emit_minute(MINUTE_S)
    counters, due = await emitter.regions.counters(), await _due(emitter, MINUTE_S)
    # then it gets nothing more, which is counted once, and the other region gets its batches
    assert _queued(redis_url, "checks.europe") == 2001
    assert counters == {name: count for name, count in due.items() if name.endswith("europe")}
    assert broker.backlog("checks.asia") == due["dropped_batches:asia"]


async def test_batches_queued_before_the_overload_are_not_counted_as_missed(broker, emitter):
    await emitter.emit_minute(MINUTE_S)
    broker.send([_batch(n) for n in range(2001)])
    await emitter.emit_minute(MINUTE_S)
    assert await emitter.regions.counters() == {}


async def test_missed_minutes_are_counted_once_and_not_dispatched_later(world, emitter):
    # given
    await emitter.emit_minute(MINUTE_S)
    assert await emitter.regions.counters() == {}
    # when the next two pass, and then two schedulers mean the one after them
    emitted = await asyncio.gather(*(emitter.emit_minute(MINUTE_S + 180) for _ in range(2)))
    # then
    minutes = [await _due(emitter, MINUTE_S + n * 60) for n in (1, 2, 3)]
    left_out = {name: minutes[0][name] + minutes[1][name] for name in minutes[0]}
    assert left_out["not_measured:europe"] > 0
    # cut for both minutes together they may be a batch fewer
    counters = await emitter.regions.counters()
    assert counters.keys() == left_out.keys()
    for name, count in counters.items():
        assert count == pytest.approx(left_out[name], abs=name.startswith("dropped"))
    due = minutes[2]["dropped_batches:asia"] + minutes[2]["dropped_batches:europe"]
    assert sum(emitted) == due
    # and nothing more is counted later
    await emitter.emit_minute(MINUTE_S + 240)
    assert await emitter.regions.counters() == counters


async def test_a_crash_while_recording_a_minute_is_made_good_by_the_next_worker(world, emitter):
    await emitter.emit_minute(MINUTE_S)

    async def dies(*_):
        raise Unavailable("redis", "is gone")

    # given one that gave a minute out after another was missed, and did not get to note it
    minutes = replace(emitter, minutes=DispatchedMinutes(world.redis))
    minutes.minutes.record = dies
    with pytest.raises(Unavailable):
        await minutes.emit_minute(MINUTE_S + 120)
    assert await emitter.regions.counters() == {}
    # when its message comes to somebody else
    assert await emitter.emit_minute(MINUTE_S + 120) == 0
    # then
    assert await emitter.regions.counters() == await _due(emitter, MINUTE_S + 60)


async def test_of_two_workers_that_record_a_minute_one_counts(world, emitter):
    minutes = DispatchedMinutes(world.redis)
    assert await minutes.record(None, MINUTE_S, {})
    # when both have seen that a minute was missed
    noted = [
        await minutes.record(MINUTE_S, MINUTE_S + 120, {"not_measured:europe": 7}) for _ in range(2)
    ]
    # then
    assert noted == [True, False]
    assert await minutes.last() == MINUTE_S + 120
    assert await emitter.regions.counters() == {"not_measured:europe": 7}


async def test_a_minute_dispatched_late_is_not_missed(emitter):
    # when a message of a minute comes after that of the next one
    for minute_s in (MINUTE_S, MINUTE_S + 60, MINUTE_S, MINUTE_S + 120):
        await emitter.emit_minute(minute_s)
    # then
    assert await emitter.regions.counters() == {}


async def test_a_clock_that_was_ahead_counts_no_dispatched_minute_as_missed(emitter):
    await emitter.emit_minute(MINUTE_S + 3600)
    # when it is right again
    await emitter.emit_minute(MINUTE_S)
    await emitter.emit_minute(MINUTE_S + 60)
    assert await emitter.regions.counters() == {}
    # then what is missed is seen as ever
    await emitter.emit_minute(MINUTE_S + 180)
    assert await emitter.regions.counters() == await _due(emitter, MINUTE_S + 120)


async def test_hundreds_of_single_websites_do_not_count_as_overload(broker, world):
    # when
    # given the checks that 300 websites of a small region get until a minute's batches know them
    await world.add_region("europe")
    for _ in range(60):
        await world.add_website(every=30)
    await world.sync()
    later_ms = int(time.time() * 1000) + 60_000
    single = [recheck_message([uuid4()], slot_ms=later_ms) for _ in range(3 * 300)]
    broker.send([check_websites(message) for message in single])
    emitter = BatchEmitter(
        world.projection, Regions(world.redis), DispatchedMinutes(world.redis), broker, 500
    )
    # then
    assert await emitter.emit_minute(MINUTE_S) > 0


def test_a_delayed_message_waits_in_the_delay_queue(broker, redis_url):
    late = _batch(0)
    late = type(late)(late.queue, late.actor, late.payload, 4_000_000_000_000)
    # when
    broker.send([late, _batch(1)])
    # then
    assert _queued(redis_url, "checks.europe.DQ") == 1
    assert _queued(redis_url, "checks.europe") == 1


def test_without_redis_sending_raises_unavailable():
    broker = Broker(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(Unavailable, match="redis"):
        broker.send([_batch(0)])


@pytest.mark.parametrize(
    ("came_s", "minute_s"), [(120, 120), (121.5, 120), (119.4, 120), (177.5, 180), (176, 120)]
)
def test_a_scheduler_slightly_ahead_means_the_next_minute(came_s, minute_s):
    assert minute_to_emit(came_s) == minute_s
