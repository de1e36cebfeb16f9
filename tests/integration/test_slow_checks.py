"""A website that hangs costs its own time-out, and nothing of its neighbours."""

import asyncio
from dataclasses import replace

import pytest

from monitor.domain.messages import CheckWebsites
from monitor.domain.outcome import Reason
from monitor.domain.verdict import Verdict
from monitor.services.checks.check import check_batch, check_websites, requeue_slow_checks
from monitor.services.checks.slow_checks import SlowChecks
from monitor.storage.redis.regions import Regions
from support.factories import START_S, batch_message, outcome_down, recheck_message

DOWN = outcome_down(Reason.RESPONSE_TIMEOUT)
BATCH = batch_message()


async def _given(world, *urls):
    await world.add_region("europe")
    websites = [await world.add_website(url) for url in urls]
    await world.sync()
    return websites


async def _until(condition):
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - a task of the worker's own does it
            await asyncio.sleep(0.02)


async def test_neighbours_are_stored_while_a_website_hangs(world):
    # given
    quick, slow = await _given(world, "http://quick/", "http://slow/")
    world.prober.outcomes["http://slow/"] = hanging = asyncio.Event()
    # when
    await check_batch(world.worker(), BATCH)
    # then the batch has ended, and the website that hangs has not
    states = await world.states.read({"europe": [quick, slow]})
    assert {i for _, i in states} == {quick}
    # and the network is looked at, should it be what hangs
    assert world.connectivity.refreshes == 1
    # and when it answers at last, that is stored for its own slot
    hanging.set()

    async def stored():
        return ("europe", slow) in await world.states.read({"europe": [slow]})

    await _until(stored)
    (tick,) = await world.ticks.ticks(slow, START_S - 10, START_S + 10)
    assert (tick.slot_s, tick.up) == (START_S, True)


async def test_late_failures_are_rechecked(world):
    (website,) = await _given(world, "http://slow/")

    class TimesOut:
        async def check(self, *_):
            await asyncio.sleep(0.4)  # what a website takes is time
            return DOWN

    worker = replace(world.worker(), prober=TimesOut())
    # when
    assert await check_batch(worker, BATCH) == []

    async def followed():
        return bool(world.sent)

    await _until(followed)
    # then
    (again,) = world.sent
    assert isinstance(again.payload, CheckWebsites)
    assert again.payload.website_ids == [website]


async def test_an_overloaded_worker_fetches_no_more_batches(world):
    await _given(world, *(f"http://slow/{n}" for n in range(5)))
    hanging = asyncio.Event()
    world.prober.outcomes = {f"http://slow/{n}": hanging for n in range(5)}
    world.slow_checks = SlowChecks(limit=4)
    # when
    batch = asyncio.create_task(check_batch(world.worker(), BATCH))
    await asyncio.wait([batch], timeout=1)
    assert not batch.done()
    # then it goes on when there is room
    hanging.set()
    async with asyncio.timeout(5):
        await batch


async def test_running_checks_are_requeued_on_shutdown(world):
    quick, slow = await _given(world, "http://quick/", "http://slow/")
    world.prober.outcomes["http://slow/"] = asyncio.Event()
    worker = world.worker()
    await check_batch(worker, BATCH)
    # when
    (back,) = await requeue_slow_checks(worker)
    # then another worker checks it for the same slot
    assert back.payload.website_ids == [slow]
    assert back.payload.slot_ms == BATCH.slot_ms
    world.prober.outcomes.clear()
    await check_websites(world.worker(), back.payload)
    ticks = await world.ticks.ticks(slow, START_S, START_S + 1)
    assert [t.out_of_turn for t in ticks] == [False]
    states = await world.states.read({"europe": [quick, slow]})
    assert states["europe", slow].verdict is Verdict.UP
    assert world.prober.checked.count("http://quick/") == 1


@pytest.mark.parametrize(("late_s", "filled"), [(61, True), (180, True), (181, False)])
async def test_a_check_requeued_on_shutdown_fills_its_slot_until_the_next_is_due(
    world, late_s, filled
):
    # given a check in progress at shutdown: a website may take a minute, and a restart its time
    (slow,) = await _given(world, "http://slow/")
    world.prober.outcomes["http://slow/"] = asyncio.Event()
    worker = world.worker()
    await check_batch(worker, BATCH)
    (back,) = await requeue_slow_checks(worker)
    world.prober.outcomes.clear()
    # when
    world.now_s = START_S + late_s
    await check_websites(world.worker(), back.payload)
    # then
    ticks = await world.ticks.ticks(slow, START_S, START_S + 1)
    assert [t.out_of_turn for t in ticks] == ([False] if filled else [])
    counters = await Regions(world.redis).counters()
    assert counters.get("not_measured:europe", 0) == (0 if filled else 1)


async def test_a_recheck_that_is_requeued_stays_out_of_turn(world):
    (slow,) = await _given(world, "http://slow/")
    world.prober.outcomes["http://slow/"] = asyncio.Event()
    worker = world.worker()
    await check_websites(worker, recheck_message([slow]))
    # when
    (back,) = await requeue_slow_checks(worker)
    world.prober.outcomes.clear()
    await check_websites(world.worker(), back.payload)
    # then
    ticks = await world.ticks.ticks(slow, START_S, START_S + 1)
    assert [t.out_of_turn for t in ticks] == [True]


async def test_an_internal_error_does_not_affect_other_checks(world):
    quick, broken = await _given(world, "http://quick/", "http://broken/")
    world.prober.outcomes["http://broken/"] = RuntimeError("a bug of ours")
    # when
    await check_batch(world.worker(), BATCH)
    # then
    states = await world.states.read({"europe": [quick, broken]})
    assert {i for _, i in states} == {quick}


async def test_results_that_cannot_be_stored_free_their_room(world):
    # given a straggler whose storing fails in a way nobody foresaw
    await _given(world, "http://slow/")
    world.prober.outcomes["http://slow/"] = hanging = asyncio.Event()
    world.slow_checks = SlowChecks(limit=0)

    class Broken:
        async def write(self, _):
            raise ValueError("unforeseen")

    batch = asyncio.create_task(check_batch(replace(world.worker(), ticks=Broken()), BATCH))
    await asyncio.wait([batch], timeout=0.5)
    assert not batch.done()
    # when
    hanging.set()
    # then there is room again
    async with asyncio.timeout(5):
        await batch
