"""Ticks of several batches go to their store together."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from monitor.domain.errors import Unavailable
from monitor.storage.timeseries.grouped import MAX_TICKS, GroupedWrites
from support.factories import tick

pytestmark = pytest.mark.limit_s(10)


def ticks(count, slot_s=0):
    return [tick(slot_s, website=UUID(int=n)) for n in range(count)]


class Store:
    """Takes a write when it is let, or fails it."""

    def __init__(self):
        self.writes = []
        self.begun = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.open.set()
        self.error = None

    async def write(self, given):
        self.writes.append(list(given))
        self.begun.release()
        await self.open.wait()
        if self.error is not None:
            raise self.error


async def test_batches_that_end_together_are_one_write():
    # given
    store = Store()
    groups = GroupedWrites(store.write, linger_s=0.01)
    # when
    await asyncio.gather(*(groups.write(ticks(3, slot)) for slot in (1, 2, 3)))
    # then
    assert [len(w) for w in store.writes] == [9]
    assert store.writes[0] == [*ticks(3, 1), *ticks(3, 2), *ticks(3, 3)]


async def test_callers_wait_until_their_ticks_are_stored():
    store = Store()
    store.open.clear()
    groups = GroupedWrites(store.write, linger_s=0)
    first = asyncio.create_task(groups.write(ticks(1)))
    await store.begun.acquire()
    # when a second group is stored while the first is still under way
    second = asyncio.create_task(groups.write(ticks(2)))
    await store.begun.acquire()
    # then
    assert not first.done()
    assert not second.done()
    store.open.set()
    await asyncio.gather(first, second)


async def test_a_full_group_does_not_linger():
    store = Store()
    groups = GroupedWrites(store.write, linger_s=3600)
    await asyncio.gather(groups.write(ticks(MAX_TICKS - 1)), groups.write(ticks(1)))
    assert [len(w) for w in store.writes] == [MAX_TICKS]


async def test_a_failed_write_fails_its_group_only():
    store = Store()
    store.error = Unavailable("influxdb", "down")
    groups = GroupedWrites(store.write, linger_s=0.01)
    found = await asyncio.gather(
        groups.write(ticks(1)), groups.write(ticks(1)), return_exceptions=True
    )
    assert found == [store.error] * 2
    store.error = None
    await groups.write(ticks(1))


async def test_a_cancelled_caller_does_not_affect_its_group():
    store = Store()
    groups = GroupedWrites(store.write, linger_s=0.05)
    gone = asyncio.create_task(groups.write(ticks(1, 1)))
    stays = asyncio.create_task(groups.write(ticks(1, 2)))
    await asyncio.sleep(0)
    # when
    gone.cancel()
    # then
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert store.writes == [[*ticks(1, 1), *ticks(1, 2)]]


async def test_closing_writes_pending_ticks():
    store = Store()
    groups = GroupedWrites(store.write, linger_s=3600)
    waiting = asyncio.create_task(groups.write(ticks(1)))
    await asyncio.sleep(0)
    await groups.close()
    assert waiting.done() or await waiting is None
    assert store.writes == [ticks(1)]
