"""Nudges to sync: however many come, one sync runs in a process, and none is in vain."""

import asyncio

import pytest

from monitor.domain.errors import Unavailable
from monitor.services.scheduling.sync import CoalescedSync
from monitor.storage.postgres import changes


async def test_calls_during_a_sync_return_at_once(world):
    # given a sync elsewhere that holds the first of ours up
    await world.add_region("europe")
    website = await world.add_website()
    coalesced = CoalescedSync(world.projection_sync, world.send)
    async with changes.syncing(world.pool):
        first = asyncio.create_task(coalesced.sync())
        await asyncio.sleep(0)
        # when
        await asyncio.gather(*(coalesced.sync() for _ in range(100)))
        # then
        assert not first.done()
    await first
    assert [m.payload.website_ids for m in world.sent] == [[website]]


async def test_a_change_committed_while_a_sync_ends_is_applied_by_it(world):
    # given
    await world.add_region("europe")
    await world.add_website()
    sent = []

    async def send(outgoing):
        sent.append(outgoing)
        if len(sent) == 1:  # the first sync has looked for the last time
            await world.add_website()
            await coalesced.sync()

    coalesced = CoalescedSync(world.projection_sync, send)
    # when
    await coalesced.sync()
    # then
    assert await world.redis.hlen("monitor:definitions") == 2
    assert len(sent) == 2


async def test_a_failed_sync_does_not_block_the_next(world):
    # given
    await world.add_region("europe")
    await world.add_website()
    failing = [Unavailable("redis", "is away")]

    async def send(_outgoing):
        if failing:
            raise failing.pop()

    coalesced = CoalescedSync(world.projection_sync, send)
    with pytest.raises(Unavailable):
        await coalesced.sync()
    # when
    await world.add_website()
    await coalesced.sync()
    # then
    assert await world.redis.hlen("monitor:definitions") == 2
