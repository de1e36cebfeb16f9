"""What is measured is the website, not the batch it was checked in."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from monitor.domain.verdict import Verdict
from monitor.services.checks.check import check_batch, check_websites
from support.factories import START_S, batch_message, outcome_down, outcome_up, recheck_message

WEBSITES = 60


class OneTurnAway:
    """Websites whose answer is there at the loop's next turn; notes what happens when."""

    def __init__(self):
        self.begun = 0
        self.waited = []

    async def check(self, *_):
        self.begun += 1
        at_begin = self.begun
        await asyncio.sleep(0)
        self.waited.append(self.begun - at_begin)
        return outcome_up(response_ms=1.0)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_responses_are_handled_while_the_batch_starts(world, cancelled):
    # given
    await world.add_region("europe")
    for n in range(WEBSITES):
        await world.add_website(f"http://{n}.example/")
    await world.sync()
    world.prober = OneTurnAway()
    batch = batch_message()
    # when
    checking = asyncio.create_task(check_batch(world.worker(), batch))
    if cancelled:
        while not world.prober.begun:  # noqa: ASYNC110 - Redis is asked first
            await asyncio.sleep(0)
        checking.cancel()
    await asyncio.gather(checking, return_exceptions=True)
    # then between its question and its answer few others began
    assert max(world.prober.waited, default=0) < WEBSITES / 2
    assert cancelled or world.prober.begun == WEBSITES
    # and one that is called off leaves nothing running
    assert not [t for t in asyncio.all_tasks() if "OneTurnAway" in repr(t)]


async def test_a_slot_just_before_a_recheck_schedules_another_recheck(world):
    # given a failure, a slot of the website's own 14 s later, and the re-check after 15 s
    await world.add_region("europe")
    website = await world.add_website("http://down/")
    await world.sync()
    world.prober.outcomes["http://down/"] = outcome_down()
    worker = world.worker()

    async def check(slot_s):
        message = recheck_message([website], slot_ms=slot_s * 1000)
        return await check_websites(worker, message)

    await check(START_S)
    # when the slot's own check, which confirms nothing, is stored while the re-check runs
    begun, ends = asyncio.Event(), asyncio.Event()

    async def slow(options, *_):
        begun.set()
        await ends.wait()
        return await worker.prober.check(options)

    late = replace(worker, prober=SimpleNamespace(check=slow), batch_wait_s=60)
    message = recheck_message([website], slot_ms=(START_S + 15) * 1000)
    recheck = asyncio.create_task(check_websites(late, message))
    await begun.wait()
    follow = await check(START_S + 14)
    # then it would be looked at again, had the re-check died
    (again,) = follow
    assert again.payload.slot_ms == (START_S + 14 + 15) * 1000
    # and it counts on top of the slot's own, and confirms
    ends.set()
    (flips,) = await recheck
    assert flips.payload.flips[0].verdict is Verdict.DOWN


async def test_of_two_overlapping_checks_the_later_is_stored(world):
    # given a check that finds the website down, and one of a slot before it that found it up
    await world.add_region("europe")
    website = await world.add_website("http://fails/")
    await world.sync()
    worker = world.worker()
    begun, ends = asyncio.Event(), asyncio.Event()

    async def down(*_):
        begun.set()
        await ends.wait()
        return outcome_down()

    def message(slot_s):
        return recheck_message([website], slot_ms=slot_s * 1000)

    # when the earlier slot's is stored while the later one is under way
    late = replace(worker, prober=SimpleNamespace(check=down), batch_wait_s=60)
    later = asyncio.create_task(check_websites(late, message(START_S)))
    await begun.wait()
    await check_websites(worker, message(START_S - 1))
    ends.set()
    # then the later one counts all the same, and is followed up
    (again,) = await later
    assert again.payload.website_ids == [website]
    states = await world.states.read({"europe": [website]})
    assert (states["europe", website].slot_s, states["europe", website].failures) == (
        START_S, 1,
    )  # fmt: skip
