"""What regions held goes where verdicts were deleted, and nowhere else."""

import pytest

from monitor.domain.messages import RecordFlips
from monitor.domain.verdict import Verdict
from monitor.services.checks.check import check_websites
from monitor.services.secrets.vault import Vault
from monitor.services.websites import manage as websites
from monitor.services.workers import regions
from monitor.storage.redis.regions import RegionReport, Regions
from support.factories import outcome_down, recheck_message, state_change

DOWN = outcome_down(evidence="refused")


async def _fail(world, website, region="europe"):
    """Two failures, 15 s apart; returns the flips they make, which nobody has recorded yet."""
    world.prober.outcomes["http://example.com/"] = DOWN
    flips = []
    for _ in range(2):
        world.now_s += 15
        message = recheck_message(
            region=region, website_ids=[website], slot_ms=int(world.now_s) * 1000
        )
        follow = await check_websites(world.worker(region), message)
        for m in follow:
            flips += m.payload.flips if isinstance(m.payload, RecordFlips) else []
    return flips


async def _given_down(world, **options):
    """A website that europe holds down and that has an incident."""
    await world.add_region("europe")
    await world.add_region("asia")
    website = await world.add_website(**options)
    await world.sync()
    flips = await _fail(world, website)
    assert [f.verdict for f in flips] == [Verdict.DOWN]
    await world.recorder().record(flips)
    assert len(await world.incidents(website)) == 1
    return website


async def _held(world, website, *names):
    """Which of these regions hold anything about the website, as a state or as a flip."""
    held = await world.states.read({name: [website] for name in names})
    flips = {f.region for n in names for f in await world.states.unrecorded(n)}
    return {region for region, _ in held} | flips


async def test_a_pause_between_two_syncs_resets_the_state(world):
    # given a website that is down
    website = await _given_down(world)
    # when it is paused and goes on before Redis was told
    await websites.change(world.pool, Vault(), website, {"paused": True}, world.now_s)
    await websites.change(world.pool, Vault(), website, {"paused": False}, world.now_s)
    await world.sync()
    # then nothing is held of before, and the next two failures are a new incident
    assert await _held(world, website, "europe", "asia") == set()
    assert await world.redis.hkeys("monitor:definitions") == [website.bytes]
    (flip,) = await _fail(world, website)
    assert flip.at_s == world.now_s - 15
    await world.recorder().record([flip])
    assert len(await world.incidents(website)) == 2


async def test_a_pause_survives_a_concurrent_full_sync(world):
    # given
    website = await _given_down(world)
    # when a region comes and everything is shown anew between pause and sync
    await websites.change(world.pool, Vault(), website, {"paused": True}, world.now_s)
    await websites.change(world.pool, Vault(), website, {"paused": False}, world.now_s)
    await regions.create(world.pool, {"name": "africa"})
    await world.projection_sync.full_sync()
    assert await _held(world, website, "europe") == {"europe"}
    await world.sync()
    # then
    assert await _held(world, website, "europe", "asia", "africa") == set()


async def test_removing_and_adding_a_region_resets_the_state(world):
    # given
    website = await _given_down(world, regions=["europe", "asia"])
    # when
    await websites.change(world.pool, Vault(), website, {"regions": ("asia",)}, world.now_s)
    await websites.change(
        world.pool, Vault(), website, {"regions": ("asia", "europe")}, world.now_s
    )
    await world.sync()
    # then
    assert await _held(world, website, "europe", "asia") == set()
    assert len(await _fail(world, website)) == 1


@pytest.mark.parametrize(
    "fields",
    [{"name": "other"}, {"regions": ("africa", "asia", "europe")}],
    ids=["name", "more regions"],
)
async def test_other_changes_keep_the_state(world, fields):
    # given
    website = await _given_down(world, regions=["europe", "asia"])
    await regions.create(world.pool, {"name": "africa"})
    # when
    await websites.change(world.pool, Vault(), website, fields, world.now_s)
    await world.sync()
    # then
    assert await _held(world, website, "europe", "asia", "africa") == {"europe"}


async def test_a_deleted_region_leaves_no_data(world):
    # given
    website = await _given_down(world)
    await _report(world, "europe", "asia")
    # when
    await regions.delete(world.pool, "europe", force=True)
    await world.sync()
    # then
    assert await _held(world, website, "europe") == set()
    assert set(await Regions(world.redis).reports()) == {"asia"}
    assert {r.region for r in await world.projection.rings()} == {"asia"}


async def test_a_region_recreated_before_a_sync_starts_without_state(world):
    # given
    website = await _given_down(world)
    await _report(world, "europe", "asia")
    await world.recorder().record(await _fail(world, website, "asia"))
    # when
    await regions.delete(world.pool, "europe", force=True)
    await regions.create(world.pool, {"name": "europe"})
    await world.sync()
    # then it knows nothing, the other region all it knew, and two failures are news
    assert await _held(world, website, "europe", "asia") == {"asia"}
    assert set(await Regions(world.redis).reports()) == {"asia"}
    assert len(await _fail(world, website)) == 1


async def test_a_late_check_of_a_deleted_region_does_not_affect_a_new_one(world):
    # given a check that was under way while its region went
    website = await _given_down(world)
    await regions.delete(world.pool, "europe", force=True)
    await world.sync()
    late = state_change(website, Verdict.DOWN, slot_s=9)
    assert await world.states.write("europe", [late]) == [late]
    # when
    await regions.create(world.pool, {"name": "europe"})
    await world.sync()
    # then
    assert await _held(world, website, "europe") == set()


async def _report(world, *names):
    for name in names:
        await Regions(world.redis).report(name, RegionReport(int(world.now_s)), {})
