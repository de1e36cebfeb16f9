"""What lists sorted by status go by: kept by flips, and by a sweep for what nobody reports."""

import pytest

from monitor.domain.ids import ring_position
from monitor.domain.ring import POSITIONS, Ring, slots_of_position
from monitor.domain.status import Standing
from monitor.domain.verdict import Verdict
from monitor.services.incidents.sweep import Sweep
from monitor.services.websites import standings
from monitor.services.websites.standings import StandingSweep
from monitor.storage.redis.staleness import Staleness
from support.factories import flip_down, flip_up

EVERY_S = 180
TIMEOUT_S = 15


def _sweep(world):
    return StandingSweep(
        world.pool, world.projection, Staleness(world.redis), world.states, world.now
    )


async def _standings(world):
    rows = await world.rows("SELECT website_id, standing FROM website_figures")
    return {website: Standing(standing) for website, standing in rows}


async def _standing(world, website):
    return (await _standings(world))[website]


async def _minutes(world, count, sweep):
    """Let this many minutes pass, each with its sweep."""
    for _ in range(count):
        world.now_s += 60
        await sweep.run()


def _last_slot(world, website):
    now_s = int(world.now_s)
    return slots_of_position(ring_position(website), EVERY_S, now_s - EVERY_S, now_s)[-1]


async def test_flips_keep_it(world):
    website = await world.website_in("europe")
    assert await _standing(world, website) is Standing.UP
    # when
    await world.recorder().record([flip_down(website)])
    # then
    assert await _standing(world, website) is Standing.DOWN
    # and when it is back
    await world.recorder().record([flip_up(website)])
    assert await _standing(world, website) is Standing.UP


async def test_the_last_change_is_that_of_the_last_flip(world):
    website = await world.website_in("europe")
    changed = "SELECT changed_at FROM website_figures"
    ((created,),) = await world.rows(changed)
    await world.recorder().record([flip_down(website)])
    ((down,),) = await world.rows(changed)
    assert down > created
    # and recording it again changes nothing
    await world.recorder().record([flip_down(website)])
    assert await world.rows(changed) == [(down,)]


async def test_a_website_that_nobody_checks_any_more_is_not_measured(world):
    website = await world.website_in("europe")
    sweep = _sweep(world)
    slot_s = _last_slot(world, website)
    await world.hold_verdict(website, "europe", slot_s)
    # when it is still fresh
    world.now_s = slot_s + 60
    await sweep.run()
    while world.now_s + 60 <= slot_s + 2 * EVERY_S + TIMEOUT_S + 60:
        await _minutes(world, 1, sweep)
        assert await _standing(world, website) is Standing.UP
    # then it is found a few minutes later at most
    await _minutes(world, 5, sweep)
    assert await _standing(world, website) is Standing.NOT_MEASURED
    # and when it is checked again, with the next sweep
    await world.hold_verdict(website, "europe", int(world.now_s))
    await sweep.run()
    assert await _standing(world, website) is Standing.UP


async def test_a_website_that_was_never_checked_is_not_measured(world):
    website = await world.website_in("europe")
    await _minutes(world, 12, _sweep(world))
    assert await _standing(world, website) is Standing.NOT_MEASURED


async def test_one_region_that_checks_it_is_enough(world):
    website = await world.website_in("asia", "europe")
    sweep = _sweep(world)
    await world.hold_verdict(website, "asia", _last_slot(world, website))
    for _ in range(15):
        await world.hold_verdict(website, "europe", int(world.now_s))
        await _minutes(world, 1, sweep)
        assert await _standing(world, website) is Standing.UP
    # and Redis alone tells so, whichever region comes first
    arc, oldest_s = (Ring("asia", EVERY_S), 0, POSITIONS), int(world.now_s) - 600
    for regions in (["asia", "europe"], ["europe", "asia"]):
        assert await Staleness(world.redis).stale(*arc, regions, oldest_s) == []
    assert await Staleness(world.redis).stale(*arc, ["asia"], oldest_s) == [website]


async def test_a_website_that_is_down_and_then_not_measured(world):
    website = await world.website_in("europe")
    slot_s = _last_slot(world, website)
    await world.hold_verdict(website, "europe", slot_s, Verdict.DOWN)
    world.now_s = slot_s + 60
    await world.recorder().record([flip_down(website, slot_s - 60, slot_s=slot_s)])
    assert await _standing(world, website) is Standing.DOWN
    # when
    world.now_s += 3600
    await Sweep(world.recorder()).run()
    # then
    assert await _standing(world, website) is Standing.NOT_MEASURED
    # and when it is checked and still down
    await world.hold_verdict(website, "europe", int(world.now_s), Verdict.DOWN)
    await _sweep(world).run()
    assert await _standing(world, website) is Standing.DOWN


async def test_sweeps_that_were_missed_are_made_up_for(world):
    website = await world.website_in("europe")
    sweep = _sweep(world)
    await sweep.run()
    # when nobody sweeps for an hour
    world.now_s += 3600
    await _sweep(world).run()
    # then
    assert await _standing(world, website) is Standing.NOT_MEASURED


async def test_paused_websites_are_not_swept(world):
    website = await world.website_in("europe")
    await world.execute("UPDATE websites SET paused_at = now()")
    await world.execute("UPDATE website_figures SET standing = %s", Standing.NOT_MEASURED.value)
    await _sweep(world).run()
    # Whoever paused it has noted that; the sweep does not look at it.
    assert await _standing(world, website) is Standing.NOT_MEASURED


async def test_many_that_return_are_looked_at_a_part_at_a_time(world, monkeypatch):
    monkeypatch.setattr(standings, "_CHUNK", 2)
    monkeypatch.setattr(standings, "_MAX_RETURNING", 4)
    await world.add_region("europe")
    urls = [f"http://example.com/{n}" for n in range(7)]
    websites = sorted([await world.add_website(url) for url in urls])  # as the sweep goes
    await world.sync()
    await world.execute("UPDATE website_figures SET standing = %s", Standing.NOT_MEASURED.value)
    for website in websites[::2]:
        await world.hold_verdict(website, "europe", int(world.now_s))
    # when
    sweep = _sweep(world)
    changed = [await sweep.run() for _ in range(2)]
    # then
    assert sum(changed) == 4
    assert 0 < changed[0] < 4
    assert {w for w, s in (await _standings(world)).items() if s is Standing.UP} == set(
        websites[::2]
    )


@pytest.mark.parametrize("ahead_s", [3600])
async def test_a_clock_that_was_ahead_is_forgotten(world, ahead_s):
    website = await world.website_in("europe")
    await Staleness(world.redis).note_swept(int(world.now_s) + ahead_s)
    await _minutes(world, 12, _sweep(world))
    assert await _standing(world, website) is Standing.NOT_MEASURED
