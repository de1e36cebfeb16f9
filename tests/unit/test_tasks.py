"""Loops go on whatever fails, and end though a library swallows the first cancellation."""

import asyncio
import logging

import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Unavailable
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
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
    monkeypatch.setattr(tasks, "_CANCEL_AGAIN_AFTER_S", 0.01)


async def test_task_is_cancelled_until_it_ends():
    # given
    loops = [Stubborn(0), Stubborn(1), Stubborn(3)]
    running = [asyncio.create_task(each.run()) for each in loops]
    await asyncio.sleep(0)
    # when
    await asyncio.wait_for(tasks.end(*running), 10)
    # then
    assert [each.cancelled for each in loops] == [1, 2, 4]
    assert all(task.cancelled() for task in running)


async def test_finished_and_failing_tasks_are_tolerated():
    async def fails():
        raise ValueError("of no interest any more")

    async def fails_late():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("of no interest any more")

    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    running = [asyncio.create_task(fails()), asyncio.create_task(fails_late())]
    await asyncio.sleep(0)
    await tasks.end(*running)
    await tasks.end()
    del running
    assert complaints == []


async def test_the_watch_over_the_projection_ends_though_a_cancellation_is_swallowed(monkeypatch):
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


def _error_log(**options):
    log = get_logger(__name__)
    return tasks.ErrorLog(log, failed="loop.failed", unavailable="loop.unavailable", **options)


async def _logged_by(errors, **options):
    """The events of a loop whose steps raise these (None: they succeed)."""
    left = list(errors)

    async def step():
        if error := left.pop(0):
            raise error

    with capture_logs() as lines:
        await tasks.run_forever(step, _error_log(**options), until=lambda: not left)
    return [(line["event"], line["log_level"]) for line in lines]


async def test_a_loop_goes_on_after_any_error():
    errors = [ValueError("bug"), Unavailable("redis", "gone"), None, Unavailable("redis", "gone")]
    assert await _logged_by(errors) == [
        ("loop.failed", "error"),
        ("loop.unavailable", "warning"),
        ("loop.unavailable", "warning"),
    ]


async def test_a_store_that_stays_away_can_be_logged_once():
    gone = Unavailable("redis", "gone")
    assert await _logged_by([gone, gone, None, gone, gone], once=True) == [
        ("loop.unavailable", "warning"),
        ("loop.unavailable", "warning"),
    ]


async def test_a_store_that_is_away_is_logged_at_the_given_level():
    gone = Unavailable("redis", "gone")
    assert await _logged_by([gone], level=logging.INFO) == [("loop.unavailable", "info")]


async def test_a_loop_pauses_between_its_steps_and_ends_when_cancelled():
    steps = 0

    async def step():
        nonlocal steps
        steps += 1

    loop = asyncio.create_task(tasks.run_forever(step, _error_log(), pause_s=600))
    for _ in range(10):
        await asyncio.sleep(0)
    await tasks.end(loop)
    assert (steps, loop.cancelled()) == (1, True)


def test_details_of_the_work_are_logged():
    with capture_logs() as lines, _error_log().logged(websites=3):
        raise ValueError("bug")
    assert lines[0]["websites"] == 3


class Waiting:
    """Coroutines that wait for an event, and how they ended."""

    def __init__(self):
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        self.ended = []

    async def wait_for(self, result):
        try:
            self.begun.set()
            await self.released.wait()
        except asyncio.CancelledError:
            self.ended.append(f"{result} cancelled")
            raise
        self.ended.append(result)
        return result


async def test_results_that_are_gathered_come_in_their_order():
    waiting = Waiting()

    async def releases():
        waiting.released.set()
        return 3

    assert await tasks.gather(waiting.wait_for(1), waiting.wait_for(2), releases()) == (1, 2, 3)


async def test_where_one_of_those_gathered_fails_the_others_have_ended():
    waiting = Waiting()

    async def fails():
        await waiting.begun.wait()
        raise Unavailable("influxdb", "does not answer")

    with pytest.raises(Unavailable):
        await tasks.gather(waiting.wait_for(1), fails(), waiting.wait_for(2))
    # then, without a turn of the loop
    assert sorted(waiting.ended) == ["1 cancelled", "2 cancelled"]


async def test_who_is_cancelled_while_gathering_leaves_nothing_behind():
    waiting = Waiting()
    caller = asyncio.create_task(tasks.gather(waiting.wait_for(1), waiting.wait_for(2)))
    await waiting.begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert sorted(waiting.ended) == ["1 cancelled", "2 cancelled"]
