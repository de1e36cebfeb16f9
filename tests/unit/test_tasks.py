"""A task that is to end does, though a library swallows the first cancellation."""

import asyncio

import pytest

from monitor.runtime import tasks
from monitor.services.scheduling.projection_watch import ProjectionWatch


class Stubborn:
    """Loops for ever; of the cancellations so many are swallowed."""

    def __init__(self, swallowed=1):
        self.cancelled, self._swallowed = 0, swallowed

    async def step(self):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.cancelled > self._swallowed:
                raise

    async def run(self):
        while True:
            await self.step()


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(tasks, "_AGAIN_AFTER_S", 0.01)


def test_it_is_cancelled_until_it_ends():
    async def scenario():
        # given
        loops = [Stubborn(0), Stubborn(1), Stubborn(3)]
        running = [asyncio.create_task(each.run()) for each in loops]
        await asyncio.sleep(0)
        # when
        await asyncio.wait_for(tasks.end(*running), 10)
        # then
        assert [each.cancelled for each in loops] == [1, 2, 4]
        assert all(task.cancelled() for task in running)

    asyncio.run(scenario())


def test_what_ended_before_and_what_fails_at_its_end_is_no_trouble():
    async def fails():
        raise ValueError("of no interest any more")

    async def fails_late():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("of no interest any more")

    async def scenario():
        complaints = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
        running = [asyncio.create_task(fails()), asyncio.create_task(fails_late())]
        await asyncio.sleep(0)
        await tasks.end(*running)
        await tasks.end()
        del running
        assert complaints == []

    asyncio.run(scenario())


def test_the_watch_over_the_projection_ends_though_a_cancellation_is_swallowed(monkeypatch):
    async def scenario():
        # given
        stubborn = Stubborn()
        watch = ProjectionWatch(None, None, None)
        monkeypatch.setattr(watch, "check", stubborn.step)
        monkeypatch.setattr("monitor.services.scheduling.projection_watch.CHECK_EVERY_S", 0.0)
        watch.start()
        await asyncio.sleep(0)
        # when
        await asyncio.wait_for(watch.close(), 10)
        # then
        assert stubborn.cancelled == 2

    asyncio.run(scenario())
