"""An outage that begins and ends while nothing can be recorded is told afterwards, once."""

import asyncio

import pytest
from structlog.testing import capture_logs

from monitor.services.checks.check import check_websites
from monitor.services.incidents.sweep import Sweep
from monitor.storage.redis import keys
from support.factories import START_S, outcome_503, recheck_message

BROKEN = outcome_503()
URL = "http://shop.example.com/"


async def _given(world, *regions):
    for region in regions:
        await world.add_region(region)
    website = await world.add_website(URL)
    await world.sync()
    return website


async def _check(world, region, website, at_s, *, broken=False):
    """One check; returns the flips that the region would send."""
    world.now_s = at_s
    world.prober.outcomes = {URL: BROKEN} if broken else {}
    check = recheck_message(region=region, website_ids=[website], slot_ms=at_s * 1000)
    follow = await check_websites(world.worker(region), check)
    return [flip for m in follow if m.actor == "record_flips" for flip in m.payload.flips]


async def _outage(world, region, website, from_s, until_s):
    """An outage of which nothing is recorded; returns the flips of its beginning and of its end."""
    await _check(world, region, website, from_s - 30)
    await _check(world, region, website, from_s, broken=True)
    began = await _check(world, region, website, from_s + 15, broken=True)
    return began, await _check(world, region, website, until_s)


def _told(rows):
    return [(event, recipient) for event, recipient, _ in rows]


BOTH = [("opened", "ops@example.com"), ("resolved", "ops@example.com")]


@pytest.mark.parametrize("order", ["the end alone", "the end first", "both at once"])
async def test_a_missed_outage_is_one_incident_and_two_mails(world, order):
    website = await _given(world, "europe")
    began, ended = await _outage(world, "europe", website, START_S, START_S + 90)
    # when
    if order == "both at once":
        await world.recorder().record([*ended, *began])
    else:
        await world.recorder().record(ended)
    if order == "the end first":
        await world.recorder().record(began)
    # then
    expected = [(START_S, START_S + 90, "http_status", ["europe"])]
    assert await world.incidents(website) == expected
    assert _told(await world.outbox()) == BOTH
    # and it stays one, whatever comes again
    for flips in (ended, began, ended):
        assert await world.recorder().record(flips) == []
    world.now_s = START_S + 200
    await Sweep(world.recorder()).run()
    assert await world.incidents(website) == expected
    assert _told(await world.outbox()) == BOTH


async def test_the_sweep_records_it_if_all_messages_were_lost(world):
    website = await _given(world, "europe")
    await _outage(world, "europe", website, START_S, START_S + 90)
    world.now_s = START_S + 200
    await Sweep(world.recorder()).run()
    assert await world.incidents(website) == [(START_S, START_S + 90, "http_status", ["europe"])]
    assert await world.states.unrecorded("europe") == []


async def test_overlapping_outages_of_a_quorum_are_an_incident(world):
    regions = ("africa", "asia", "europe")
    website = await _given(world, *regions)
    ends = {}
    for n, region in enumerate(regions):
        _, ends[region] = await _outage(
            world, region, website, START_S + n * 10, START_S + 90 + n * 10
        )
    # when they are recorded one by one
    for region in regions:
        await world.recorder().record(ends[region])
    # then it lasted while two of three held the website down
    assert await world.incidents(website) == [
        (START_S + 10, START_S + 100, "http_status", ["africa", "asia"])
    ]
    assert _told(await world.outbox()) == BOTH


async def test_successive_outages_of_single_regions_are_no_incident(world):
    website = await _given(world, "asia", "europe")
    flips = []
    for n, region in enumerate(("asia", "europe")):
        from_s = START_S + n * 200
        flips += (await _outage(world, region, website, from_s, from_s + 90))[1]
    world.now_s = START_S + 300
    await world.recorder().record(flips)
    await Sweep(world.recorder()).run()
    assert await world.incidents(website) == []
    assert await world.outbox() == []


async def test_an_outage_before_a_pause_is_not_recorded_again(world):
    website = await _given(world, "europe")
    began, ended = await _outage(world, "europe", website, START_S, START_S + 90)
    await world.recorder().record(began)
    # given that it was paused, which ends its incident and forgets its verdicts
    await world.execute("DELETE FROM verdicts")
    await world.execute(
        "UPDATE incidents SET resolved_at = started_at + interval '60 s', resolution = 'paused'"
    )
    # when what was on its way arrives
    await world.recorder().record(ended)
    # then
    assert len(await world.incidents(website)) == 1
    assert _told(await world.outbox()) == [("opened", "ops@example.com")]


async def test_concurrent_workers_record_it_once(world):
    website = await _given(world, "europe")
    began, ended = await _outage(world, "europe", website, START_S, START_S + 90)
    await asyncio.gather(
        *(world.recorder().record(f) for f in [began, ended] * 4),
        *(Sweep(world.recorder()).run() for _ in range(2)),
    )
    assert await world.incidents(website) == [(START_S, START_S + 90, "http_status", ["europe"])]
    assert _told(await world.outbox()) == BOTH


async def test_an_unreadable_flip_does_not_block_others(world):
    website = await _given(world, "europe")
    await _outage(world, "europe", website, START_S, START_S + 90)
    await world.redis.hset(keys.flips("europe"), b"\1" * 16, b"\xc1 from another version")
    world.now_s = START_S + 200
    # when
    with capture_logs() as logs:
        await Sweep(world.recorder()).run()
    # then
    assert len(await world.incidents(website)) == 1
    (line,) = [x for x in logs if x["event"] == "flip.unreadable"]
    assert line["region"] == "europe"
