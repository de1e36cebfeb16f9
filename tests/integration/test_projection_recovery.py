"""A Redis that lost everything: the projection is back soon, and the minute goes on."""

import asyncio
import time
from contextlib import asynccontextmanager

import dramatiq
from structlog.testing import capture_logs

from monitor.domain.ring import POSITIONS, Ring
from monitor.services.scheduling.emit import BatchEmitter
from monitor.services.scheduling.projection_watch import ProjectionWatch
from monitor.services.scheduling.sync import CoalescedSync
from monitor.storage.redis import keys
from monitor.storage.redis.minutes import DispatchedMinutes
from monitor.storage.redis.regions import Regions
from support.factories import numbered_urls

WEBSITES = 10_000
MINUTE_S = 1_790_000_040
HALF_S = MINUTE_S + 30


async def _given(world, websites=WEBSITES):
    await world.add_region("europe")
    await world.insert_websites(numbered_urls(websites), check_frequency=60)
    await world.sync()
    world.now_s = HALF_S


def _emitter(world, broker):
    return BatchEmitter(
        world.projection, Regions(world.redis), DispatchedMinutes(world.redis), broker, 500
    )


def _watch(world, broker):
    coalesced = CoalescedSync(world.projection_sync, world.send)
    return ProjectionWatch(world.projection_sync, coalesced, _emitter(world, broker))


async def _websites(world):
    (found,) = await world.projection.counts(Ring("europe", 60), [(0, POSITIONS)])
    return found


async def _slots(world):
    """The slots of the batches that wait, in ms after the minute's start."""
    found = []
    for name in ("checks.europe", "checks.europe.DQ"):
        for value in await world.redis.hvals(f"dramatiq:{name}.msgs"):
            message = dramatiq.Message.decode(value)
            found.append(message.kwargs["payload"]["slot_ms"] - MINUTE_S * 1000)
    return sorted(found)


@asynccontextmanager
async def _watching(watch):
    watch.start()
    try:
        yield
    finally:
        await watch.close()


async def test_ten_thousand_websites_are_restored_within_30_s(world, broker):
    # given
    await _given(world)
    async with _watching(_watch(world, broker)):
        await asyncio.sleep(0.1)  # it has looked once
        # when
        began = time.monotonic()
        await world.redis.flushall()
        # then
        async with asyncio.timeout(120):
            while await _websites(world) < WEBSITES:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.05)
        assert time.monotonic() - began < 30


async def test_the_rest_of_the_minute_is_dispatched_again(world, broker):
    # given a minute whose batches went with everything else
    await _given(world)
    watch = _watch(world, broker)
    await _emitter(world, broker).emit_minute(MINUTE_S)
    all_of_it = await _slots(world)
    await world.redis.flushall()
    # when
    await watch.check()
    await watch.check()
    # then
    assert await _slots(world) == [slot for slot in all_of_it if slot >= 30_000]
    assert 0 < len(await _slots(world)) < len(all_of_it)


async def test_a_minute_that_began_without_projection_is_dispatched_after_the_rebuild(
    world, broker
):
    # given a minute that was emitted in between: there was nothing to emit
    await _given(world)
    watch = _watch(world, broker)
    await world.redis.flushall()
    await watch.note_loss()
    assert await _emitter(world, broker).emit_minute(MINUTE_S) == 0
    # when somebody else has made the projection again
    await world.sync()
    await watch.check()
    # then
    assert len(await _slots(world)) > 0


async def test_a_restart_without_data_loss_dispatches_nothing_again(world, broker):
    # given another run of the server than the projection was made on
    await _given(world, websites=10)
    await world.redis.set(keys.MARKER, "another run")
    # when
    await _watch(world, broker).check()
    # then
    assert await world.redis.get(keys.MARKER) != b"another run"
    assert await _slots(world) == []


async def test_of_two_watches_one_rebuilds(world, broker):
    # given
    await _given(world, websites=10)
    await world.redis.flushall()
    # when
    with capture_logs() as lines:
        await asyncio.gather(*(_watch(world, broker).check() for _ in range(2)))
    rebuilt = [x for x in lines if x["event"] == "projection.rebuilt"]
    # then
    assert len(rebuilt) == 1
    assert await _websites(world) == 10
