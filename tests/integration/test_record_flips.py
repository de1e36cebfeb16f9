"""Flips become verdicts, incidents and outbox rows in one transaction: each exactly once."""

import asyncio
import time

import pytest

from monitor.domain.verdict import Verdict
from monitor.services.incidents.sweep import Sweep
from support.factories import START_S, flip_down, flip_up, state_change


async def test_down_and_up_are_one_incident_and_two_notifications(world):
    website = await world.website_in("europe")
    # when
    opened = await world.recorder().record([flip_down(website)])
    resolved = await world.recorder().record([flip_up(website)])
    # then
    assert await world.incidents(website) == [(START_S, START_S + 60, "http_status", ["europe"])]
    assert [(e, r) for e, r, _ in await world.outbox()] == [
        ("opened", "ops@example.com"),
        ("resolved", "ops@example.com"),
    ]
    assert [m.actor for m in opened + resolved] == ["deliver", "deliver"]


async def test_recording_twice_changes_nothing(world):
    website = await world.website_in("europe")
    for flip in (flip_down(website), flip_up(website)):
        await world.recorder().record([flip])
        assert await world.recorder().record([flip]) == []
    # and a down that arrives again after the recovery opens nothing
    assert await world.recorder().record([flip_down(website)]) == []
    assert len(await world.incidents(website)) == 1
    assert len(await world.outbox()) == 2


async def test_concurrent_workers_open_one_incident(world):
    website = await world.website_in("europe")
    # when
    sent = await asyncio.gather(*(world.recorder().record([flip_down(website)]) for _ in range(8)))
    # then
    assert len(await world.incidents(website)) == 1
    assert sum(len(s) for s in sent) == 1


async def test_more_than_half_of_the_fresh_regions_open_an_incident(world):
    website = await world.website_in("africa", "asia", "europe")
    await world.hold_verdict(website, "africa", START_S, Verdict.UP)
    await world.hold_verdict(website, "asia", START_S, Verdict.UP)
    await world.hold_verdict(website, "europe", START_S + 15, Verdict.DOWN)
    # when one of three
    await world.recorder().record([flip_down(website, START_S)])
    assert await world.incidents(website) == []
    # when two of three
    await world.recorder().record([flip_down(website, START_S + 30, region="asia")])
    # then
    ((started, resolved, _, regions),) = await world.incidents(website)
    assert (started, resolved, regions) == (START_S + 30, None, ["asia", "europe"])


async def test_a_stale_region_loses_its_vote_without_a_flip(world):
    website = await world.website_in("asia", "europe")
    await world.hold_verdict(website, "asia", START_S, Verdict.UP)
    await world.hold_verdict(website, "europe", START_S + 15, Verdict.DOWN)
    await world.recorder().record([flip_down(website)])
    await Sweep(world.recorder()).run()
    assert await world.incidents(website) == []
    # when asia stops and europe goes on
    world.now_s += 1000
    await world.hold_verdict(website, "europe", int(world.now_s), Verdict.DOWN)
    await Sweep(world.recorder()).run()
    # then
    ((started, resolved, *_),) = await world.incidents(website)
    assert (started, resolved) == (START_S, None)


async def test_not_measured_does_not_change_an_incident(world):
    website = await world.website_in("europe")
    await world.hold_verdict(website, "europe", START_S + 15, Verdict.DOWN)
    await world.recorder().record([flip_down(website)])
    # when the region stops, for days
    world.now_s += 200_000
    await Sweep(world.recorder()).run()
    # then
    ((_, resolved, *_),) = await world.incidents(website)
    assert resolved is None


async def test_a_websites_own_recipients_replace_the_defaults(world):
    website = await world.website_in("europe", emails=["a@example.com", "b@example.com"])
    await world.recorder().record([flip_down(website)])
    assert [r for _, r, _ in await world.outbox()] == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize("gone", ["DELETE FROM websites", "UPDATE websites SET paused_at = now()"])
async def test_flips_of_deleted_or_paused_websites_are_ignored(world, gone):
    website = await world.website_in("europe")
    other = await world.add_website("http://other/")
    await world.sync()
    await world.execute(gone + " WHERE id = %s", website)
    # when
    await world.recorder().record([flip_down(website), flip_down(other)])
    # then
    assert await world.incidents(website) == []
    assert len(await world.incidents(other)) == 1
    assert await world.rows("SELECT website_id FROM verdicts") == [(other,)]


async def test_a_flip_whose_message_was_lost_is_recorded_by_the_sweep(world):
    website = await world.website_in("europe")
    flip = flip_down(website)
    change = state_change(website, Verdict.DOWN, slot_s=flip.slot_s, since_s=flip.at_s, flip=flip)
    await world.states.write("europe", [change])
    world.now_s += 60
    # when
    follow = await Sweep(world.recorder()).run()
    # then
    assert len(await world.incidents(website)) == 1
    assert [m.actor for m in follow] == ["deliver"]
    assert await world.states.unrecorded("europe") == []


async def test_an_unreported_recovery_is_found_by_the_sweep(world):
    # given an incident whose region lost all it held, and then found the website up
    website = await world.website_in("europe")
    await world.recorder().record([flip_down(website)])
    await world.redis.flushall()
    await world.sync()
    await world.hold_verdict(website, "europe", START_S + 90, Verdict.UP)
    world.now_s = START_S + 120
    # when
    await Sweep(world.recorder()).run()
    # then
    assert await world.incidents(website) == [(START_S, START_S + 90, "http_status", ["europe"])]


async def test_lost_region_states_are_restored_by_the_sweep(world):
    website = await world.website_in("europe")
    await world.recorder().record([flip_down(website)])
    await world.redis.flushall()
    await world.sync()
    # when
    await Sweep(world.recorder()).run()
    # then it still holds the website down, and reports its recovery as a flip
    states = await world.states.read({"europe": [website]})
    assert states["europe", website].verdict is Verdict.DOWN
    assert states["europe", website].slot_s == 0


async def test_pending_outbox_rows_are_delivered_by_the_sweep(world):
    website = await world.website_in("europe")
    sent = await world.recorder().record([flip_down(website)])
    # when the message to deliver was lost
    follow = await Sweep(world.recorder()).run()
    # then
    assert [m.payload for m in follow] == [m.payload for m in sent]


async def test_after_an_incident_the_next_one_is_new(world):
    website = await world.website_in("europe")
    for n in range(3):
        at_s = START_S + n * 600
        await world.recorder().record([flip_down(website, at_s=at_s)])
        await world.recorder().record([flip_up(website, at_s=at_s + 60)])
    found = await world.incidents(website)
    assert [(s, r) for s, r, *_ in found] == [
        (START_S + n * 600, START_S + n * 600 + 60) for n in range(3)
    ]
    assert len(await world.outbox()) == 6


async def test_of_several_flips_in_one_message_the_latest_check_counts(world):
    # given a website and a region more, so that rows could be mixed up
    website = await world.website_in("asia", "europe")
    other = await world.add_website("http://other/")
    await world.sync()
    # when they come in any order
    flips = [
        flip_up(website),
        flip_down(website),
        flip_down(other),
        flip_down(website, region="asia"),
    ]
    await world.recorder().record(flips)
    # then each stands for its own website and region
    found = await world.rows(
        "SELECT website_id, region, verdict, status_code FROM verdicts ORDER BY 1, 2"
    )
    assert sorted(found) == sorted(
        [
            (website, "asia", "down", 503),
            (website, "europe", "up", 0),
            (other, "europe", "down", 503),
        ]
    )


async def test_a_message_of_many_flips_opens_and_resolves_each_independently(world):
    # given
    await world.add_region("asia")
    await world.add_region("europe")
    websites = [await world.add_website(emails=[f"{n}@example.com"]) for n in range(50)]
    await world.sync()
    reports = [(w, r, START_S + n) for n, w in enumerate(websites) for r in ("asia", "europe")]
    # when
    await world.recorder().record([flip_down(w, at, region=r) for w, r, at in reports])
    opened = {w: await world.incidents(w) for w in websites}
    await world.recorder().record([flip_up(w, at + 90, region=r) for w, r, at in reports])
    # then each incident has its own times and regions, each recipient its own two events
    for n, w in enumerate(websites):
        start, end = START_S + n, START_S + n + 90
        assert opened[w] == [(start, None, "http_status", ["asia", "europe"])]
        assert await world.incidents(w) == [(start, end, "http_status", ["asia", "europe"])]
    told = {(event, to) for event, to, _ in await world.outbox()}
    assert len(await world.outbox()) == 100
    assert told == {(e, f"{n}@example.com") for e in ("opened", "resolved") for n in range(50)}


async def test_an_incident_that_ended_in_its_first_second_is_not_reopened(world):
    # given three regions whose reports come in another order than they were made
    website = await world.website_in("africa", "asia", "europe")
    for region in ("africa", "asia", "europe"):
        await world.hold_verdict(website, region, START_S - 60, Verdict.UP)
    early, late = START_S, START_S + 30
    await world.recorder().record([flip_down(website, early, region="asia")])
    await world.recorder().record([flip_down(website, late)])
    await world.recorder().record([flip_up(website, late - 5, region="asia")])
    assert await world.incidents(website) == [(late, late, "http_status", ["asia", "europe"])]
    # when the quorum is there again, and began before that
    await world.recorder().record([flip_down(website, late - 10, region="africa")])
    # then that is an incident of its own, and told
    assert len(await world.incidents(website)) == 2
    assert [event for event, _, _ in await world.outbox()] == ["opened", "opened", "resolved"]


async def test_a_very_late_report_gives_its_region_no_vote(world):
    # given a website that is down from the one region that checks
    website = await world.website_in("asia", "europe")
    await world.hold_verdict(website, "europe", START_S + 15, Verdict.DOWN)
    await world.recorder().record([flip_down(website)])
    assert len(await world.incidents(website)) == 1
    # when what another one found hours ago arrives
    await world.recorder().record([flip_up(website, START_S - 7200, region="asia")])
    # then the incident stays open
    ((_, resolved, *_),) = await world.incidents(website)
    assert resolved is None


async def test_a_verdict_from_a_clock_ahead_ends_normally(world):
    website = await world.website_in("europe")
    ahead_s = int(time.time()) + 3600
    world.now_s = ahead_s
    await world.recorder().record([flip_down(website, at_s=ahead_s)])
    # when the clock is right again and the website is up
    world.now_s = time.time()
    await world.recorder().record([flip_up(website, at_s=int(world.now_s))])
    # then
    ((_, resolved_s, _, _),) = await world.incidents(website)
    assert resolved_s is not None


async def test_a_recovery_from_a_verdict_dated_ahead_is_found_by_the_sweep(world):
    website = await world.website_in("europe")
    ahead_s = int(time.time()) + 3600
    world.now_s = ahead_s
    await world.recorder().record([flip_down(website, at_s=ahead_s)])
    # when the report that it is up again is lost
    world.now_s = time.time()
    await world.hold_verdict(website, "europe", int(world.now_s) - 60, Verdict.UP)
    await Sweep(world.recorder()).run()
    # then
    ((_, resolved_s, _, _),) = await world.incidents(website)
    assert resolved_s is not None
