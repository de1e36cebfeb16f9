"""Deadlines of checks: they strike whom they are for, and nobody else."""

from __future__ import annotations

import asyncio

import pytest

from monitor.probes.net.deadlines import GRAIN_S, Deadlines, timed_out


async def _watched(deadlines, after_s, found):
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    deadline_s = loop.time() + after_s
    group = deadlines.watch(deadline_s, task)
    try:
        await loop.create_future()
    except asyncio.CancelledError:
        if not timed_out(group, task):
            raise
        found.append(loop.time() - deadline_s)
    finally:
        group.tasks.discard(task)


async def test_a_task_is_cancelled_at_its_deadline_and_not_before():
    deadlines, late = Deadlines(asyncio.get_running_loop()), []
    await asyncio.gather(*(_watched(deadlines, n / 100, late) for n in range(20)))
    assert len(late) == 20
    # the loop's clock may be read a little early; that it is not late is for no busy machine
    assert min(late) >= -0.001


async def test_a_task_that_ended_in_time_is_not_cancelled():
    loop, found = asyncio.get_running_loop(), []
    deadlines, task = Deadlines(loop), asyncio.current_task()
    group = deadlines.watch(loop.time() + 0.01, task)
    group.tasks.discard(task)
    # when the deadlines around it strike
    await _watched(deadlines, 0.02 + 2 * GRAIN_S, found)
    cancelling = task.cancelling()
    assert len(found) == 1
    assert cancelling == 0


async def test_another_cancellation_is_not_a_timeout():
    found = []
    task = asyncio.create_task(_watched(Deadlines(asyncio.get_running_loop()), 60, found))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found == []


async def test_cancellation_together_with_expiry_wins():
    loop, found = asyncio.get_running_loop(), []
    deadlines = Deadlines(loop)
    task = asyncio.create_task(_watched(deadlines, 0.01, found))
    await asyncio.sleep(0)
    # given that both come in the same turn of the loop
    (group,) = deadlines._groups.values()
    group.expired = True
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found == []


async def test_a_deadline_that_was_moved_strikes_later():
    loop, found = asyncio.get_running_loop(), []
    deadlines = Deadlines(loop)
    task = asyncio.create_task(asyncio.Event().wait())
    before = deadlines.watch(loop.time() + 0.01, task)
    # when
    after = deadlines.move(before, loop.time() + 60, task)
    await _watched(deadlines, 0.02 + 2 * GRAIN_S, found)
    # then
    assert (before.expired, after.expired, task.done()) == (True, False, False)
    deadlines.expire_all()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_deadline_that_has_struck_is_not_moved():
    deadlines = Deadlines(asyncio.get_running_loop())
    task = asyncio.create_task(asyncio.Event().wait())
    group = deadlines.watch(0.0, task)
    deadlines.expire_all()
    assert deadlines.move(group, 1e9, task) is group
    await asyncio.wait([task])
