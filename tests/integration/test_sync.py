"""The projection shows what Postgres holds: change by change, and whole."""

import asyncio
from itertools import pairwise

import pytest

from monitor.domain.ids import ring_position
from monitor.domain.ring import POSITIONS, Ring, arcs_of_window, slots_of_position, turn_of
from monitor.services.checks.check import check_batch, check_websites
from support.factories import (
    START_S,
    batch_message,
    numbered_urls,
    outcome_down,
    recheck_message,
    state_change,
)

EUROPE, EVERYTHING = Ring("europe", 180), (0, POSITIONS)
DOWN = outcome_down(evidence="refused")


async def _ids(world, ring=EUROPE):
    return {e.website_id for e in await world.projection.read_arc(ring, *EVERYTHING)}


async def test_a_new_website_is_on_its_ring_and_checked_at_once(world):
    # given
    await world.add_region("europe")
    await world.sync()
    # when
    website = await world.add_website("http://example.com/a")
    follow = await world.sync()
    # then
    (entry,) = await world.projection.read_arc(EUROPE, *EVERYTHING)
    assert (entry.website_id, entry.options.url) == (website, "http://example.com/a")
    (message,) = follow
    assert message.queue == "checks.europe"
    assert message.payload.website_ids == [website]
    assert message.payload.slot_ms == (START_S + 1) * 1000
    assert not message.payload.in_turn


async def test_a_website_of_a_short_interval_does_not_wait_for_the_next_minute(world):
    # given a minute whose batches are queued already
    await world.add_region("europe")
    await world.sync()
    world.now_s = START_S - START_S % 60 + 1
    # when
    await world.add_website(every=30)
    follow = await world.sync()
    # then it is checked now, and at its slots of this minute
    now, *later = sorted(m.payload.slot_ms // 1000 for m in follow)
    assert now == world.now_s + 1
    assert now < later[0] <= now + 31
    assert all(b - a == 30 for a, b in pairwise(later))
    assert world.now_s + 29 <= later[-1] < world.now_s + 59
    # and fills those that are still to come, with or without a batch
    half = world.now_s + 29
    in_turn = {m.payload.slot_ms // 1000 for m in follow if m.payload.in_turn}
    assert in_turn == {slot for slot in later if slot >= half}


async def test_a_website_that_is_checked_at_once_in_the_second_of_its_turn_is_in_turn(world):
    # given the last second of a minute, and intervals of a minute: the next one is each one's turn
    await world.add_region("europe")
    await world.sync()
    world.now_s = START_S - START_S % 60 + 59
    # when
    website = await world.add_website(every=60)
    (message,) = await world.sync()
    # then the batch of that minute, which may have begun without it, need not check it
    assert (message.payload.slot_ms // 1000, message.payload.in_turn) == (world.now_s + 1, True)
    await check_websites(world.worker(), message.payload)
    (tick,) = await world.ticks.ticks(website, START_S - 60, START_S + 120)
    assert not tick.out_of_turn


@pytest.mark.parametrize("every", [30, 45, 60, 90, 100, 180])
@pytest.mark.parametrize("second", [0, 20, 29, 44, 58])
@pytest.mark.parametrize("batch", [False, True], ids=["alone", "batch"])
async def test_the_slots_of_the_first_minute_are_filled_once(world, every, second, batch):
    # given a website that is created in a minute whose batches are queued, or none for its arc
    await world.add_region("europe")
    await world.sync()
    minute = START_S - START_S % 60
    world.now_s = created_s = minute + second + 0.5
    website = await world.add_website(every=every)
    follow = await world.sync()
    checks = [(m.payload.slot_ms, check_websites, m.payload) for m in follow]
    for arc in arcs_of_window(every, minute, minute + 60) if batch else ():
        fields = {"interval_s": every, "lo": arc.lo, "hi": arc.hi, "slot_ms": arc.slot_ms}
        if arc.slot_ms > created_s * 1000:
            checks.append((arc.slot_ms, check_batch, batch_message(**fields)))
    # when all that was queued runs in its time
    for slot_ms, check, payload in sorted(checks, key=lambda c: c[0]):
        world.now_s = slot_ms / 1000
        await check(world.worker(), payload)
    # then each slot that was due has one tick in turn, and nothing else has
    ticks = await world.ticks.ticks(website, minute, minute + 120)
    slots = slots_of_position(ring_position(website), every, minute, minute + 120)
    turns = [turn_of(slot, every) for slot in slots]
    due = [turn for turn in turns if created_s <= turn < minute + 60]
    assert sorted(turn_of(t.slot_s, every) for t in ticks if not t.out_of_turn) == due


async def test_a_change_in_the_second_of_a_check_is_checked_too(world):
    # given a website that was checked this very second
    await world.add_region("europe")
    website = await world.add_website("http://old/")
    await world.sync()
    await check_websites(
        world.worker(),
        recheck_message([website]),
    )
    # when its URL changes, still in that second
    await world.execute("UPDATE websites SET url = 'http://new/'")
    await world.execute("INSERT INTO changes (website_id, check_now) VALUES (%s, true)", website)
    (message,) = await world.sync()
    await check_websites(world.worker(), message.payload)
    # then
    assert world.prober.checked == ["http://old/", "http://new/"]


async def test_a_website_moves_rings_with_its_interval_and_its_regions(world):
    # given
    await world.add_region("europe")
    await world.add_region("asia")
    website = await world.add_website(regions=["europe"])
    await world.sync()
    # when
    await world.execute("UPDATE websites SET check_frequency = 60")
    await world.execute("UPDATE website_regions SET region = 'asia'")
    await world.execute("INSERT INTO changes (website_id) VALUES (%s)", website)
    await world.sync()
    # then
    assert await _ids(world) == set()
    assert await _ids(world, Ring("asia", 60)) == {website}


async def test_another_interval_is_another_ring(world):
    # given
    await world.add_region("europe")
    website = await world.add_website()
    await world.sync()
    # when
    await world.execute("UPDATE websites SET check_frequency = 60")
    await world.execute("INSERT INTO changes (website_id) VALUES (%s)", website)
    await world.sync()
    # then
    assert await world.projection.counts(EUROPE, [EVERYTHING]) == [0]
    assert await world.projection.counts(Ring("europe", 60), [EVERYTHING]) == [1]


@pytest.mark.parametrize("end", ["DELETE FROM websites", "UPDATE websites SET paused_at = now()"])
async def test_a_deleted_or_paused_website_leaves_nothing_behind(world, end):
    # given
    await world.add_region("europe")
    website = await world.add_website()
    await world.sync()
    change = state_change(website)
    assert await world.states.write("europe", [change]) == [change]
    # when
    await world.execute(end)
    await world.execute("INSERT INTO changes (website_id) VALUES (%s)", website)
    await world.sync()
    # then nothing of it is left, and a check that was under way writes nothing any more
    assert await _ids(world) == set()
    later = state_change(website, slot_s=65, before_s=5)
    assert await world.states.write("europe", [change, later]) == []
    assert await world.states.read({"europe": [website]}) == {}


async def test_an_emptied_redis_is_rebuilt(world):
    # given
    await world.add_region("europe")
    websites = {await world.add_website() for _ in range(5)}
    await world.sync()
    # when
    await world.redis.flushall()
    await world.sync()
    # then
    assert await _ids(world) == websites


async def test_a_new_region_gets_every_website_that_is_checked_from_everywhere(world):
    # given
    await world.add_region("europe")
    everywhere = await world.add_website()
    await world.add_website(regions=["europe"])
    await world.sync()
    # when
    await world.add_region("asia")
    await world.sync()
    # then
    assert await _ids(world, Ring("asia", 180)) == {everywhere}


async def test_changes_that_fail_half_way_are_applied_by_the_next_sync(world):
    # given
    await world.add_region("europe")
    await world.sync()
    website = await world.add_website()
    broken = type(world.projection_sync)(world.pool, world.redis, now=lambda: 1 / 0)
    # when the sync dies after Redis was written but before its transaction is committed
    with pytest.raises(ZeroDivisionError):
        await broken.sync_changes()
    # then the change row is still there, and the next sync ends the work
    assert len(await world.rows("SELECT 1 FROM changes")) == 1
    assert len(await world.sync()) == 1
    assert await _ids(world) == {website}


async def test_a_full_sync_swaps_at_once_and_reports_its_progress(world):
    # given
    await world.add_region("europe")
    await world.insert_websites(numbered_urls(12_000))
    await world.projection_sync.full_sync()
    seen, done = [], asyncio.Event()

    async def watch():
        while not done.is_set():
            seen.append((await world.projection.counts(EUROPE, [EVERYTHING]))[0])

    watcher = asyncio.create_task(watch())
    progress = []
    # when
    synced = await world.projection_sync.full_sync(lambda *told: progress.append(told))
    done.set()
    await watcher
    # then whoever looked meanwhile saw all of them, every time
    assert synced == 12_000
    assert set(seen) == {12_000}
    assert progress == [(2000 * n, 12_000) for n in range(1, 7)]


async def test_a_full_sync_removes_websites_without_a_change_row(world):
    # given
    await world.add_region("europe")
    website = await world.add_website()
    await world.sync()
    await world.states.write("europe", [state_change(website)])
    # when a website goes without a trace
    await world.execute("DELETE FROM websites")
    await world.projection_sync.full_sync()
    # then
    assert await _ids(world) == set()
    assert await world.states.read({"europe": [website]}) == {}
