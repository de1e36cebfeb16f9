"""Who was told "down" is told when the website is paused, deleted or no longer checked."""

import asyncio

import pytest

from monitor.domain.errors import DeliveryError, NotFound
from monitor.domain.incident import Closing, Event
from monitor.domain.verdict import Verdict
from monitor.services.incidents import downtime, sweep
from monitor.services.incidents.sweep import Sweep
from monitor.services.notifications import outbox
from monitor.services.secrets.vault import Vault
from monitor.services.websites import manage as websites
from monitor.services.workers import regions
from monitor.storage.postgres.closings import LISTED
from support.closing import (
    delete,
    delete_all,
    deliver_all,
    deliverer,
    down,
    make_due,
    move,
    move_all,
    pause,
    pause_all,
)
from support.factories import START_S, flip_down, flip_up, state_change

OPS, BOSS = "ops@example.com", "boss@example.com"
END = {"paused": pause, "deleted": delete}
END_ALL = {"paused": pause_all, "deleted": delete_all}


@pytest.fixture
async def europe(world):
    """The world, with a region."""
    await world.add_region("europe")
    return world


def _types(sent, recipient=OPS):
    return [getattr(event, "type", Event.CLOSED) for event, to in sent if to == recipient]


async def _resolutions(world, website):
    page, _ = await downtime.page(world.pool, website, 100, None)
    return [incident.resolution for incident in page]


# One website


@pytest.mark.parametrize("how", END)
async def test_each_recipient_is_told_once_in_the_thread_of_the_incident(europe, how):
    (website,) = await down(europe, "http://example.com/shop", emails=(OPS, BOSS))
    opened = {to: event for event, to in await deliver_all(europe.pool)}
    # when
    await END[how](europe, website)
    sent = await deliver_all(europe.pool)
    # then
    assert sorted(to for _, to in sent) == [BOSS, OPS]
    for event, to in sent:
        (one,) = event.incidents
        assert (event.how, event.total) == (Closing(how), 1)
        assert (one.website_id, one.website_name, one.url) == (
            website, "example.com/shop", "http://example.com/shop",
        )  # fmt: skip
        assert one.started_at.timestamp() == START_S
        assert (one.cause, one.status_code) == ("http_status", 503)
        assert one.opened_notification_id == opened[to].notification_id
        assert one.opened_message_id in {"m1", "m2"}
    assert await deliver_all(europe.pool) == []


async def test_a_paused_incident_is_told_once_and_its_website_may_be_deleted_then(europe):
    (website,) = await down(europe, "http://example.com/")
    await deliver_all(europe.pool)
    for end in (pause, pause, delete):
        await end(europe, website)
    ((event, _),) = await deliver_all(europe.pool)
    assert event.how is Closing.PAUSED


async def test_a_deleted_website_takes_its_history_along(europe):
    (website,) = await down(europe, "http://example.com/")
    await delete(europe, website)
    with pytest.raises(NotFound):
        await downtime.page(europe.pool, website, 100, None)
    assert await europe.rows("SELECT id FROM incidents") == []


@pytest.mark.parametrize("how", END)
async def test_nobody_is_told_of_the_end_of_what_is_up(europe, how):
    (website,) = await down(europe, "http://example.com/")
    await europe.recorder().record([flip_up(website)])
    await deliver_all(europe.pool)
    await END[how](europe, website)
    assert await deliver_all(europe.pool) == []


async def test_a_resumed_website_that_is_down_is_a_new_incident(europe):
    (website,) = await down(europe, "http://example.com/")
    await pause(europe, website)
    await websites.change(europe.pool, Vault(), website, {"paused": False}, europe.now_s)
    await europe.recorder().record([flip_down(website, START_S + 600)])
    assert _types(await deliver_all(europe.pool)) == [Event.OPENED, Event.OPENED, Event.CLOSED]
    assert await _resolutions(europe, website) == [None, "paused"]


# What is still unsent


@pytest.mark.parametrize("how", END)
async def test_an_unsent_beginning_is_sent_first(europe, how):
    (website,) = await down(europe, "http://example.com/")
    await END[how](europe, website)
    ((closed,),) = await europe.rows("SELECT id FROM notifications WHERE event = 'closed'")
    delivering, channel = deliverer(europe.pool)
    # when the end is asked for first
    await delivering.deliver(closed)
    assert channel.sent == []
    # then
    (beginning, _), (end, _) = await deliver_all(europe.pool)
    assert beginning.type is Event.OPENED
    assert (beginning.website_id, beginning.url) == (website, "http://example.com/")
    assert (beginning.regions, beginning.evidence) == (("europe",), "HTTP 503")
    assert end.incidents[0].opened_notification_id == beginning.notification_id


async def test_an_unsent_recovery_survives_its_website(europe):
    (website,) = await down(europe, "http://example.com/")
    await europe.recorder().record([flip_up(website)])
    # when
    await delete(europe, website)
    # then both are sent, in order
    (beginning, _), (end, _) = await deliver_all(europe.pool)
    assert (beginning.type, end.type) == (Event.OPENED, Event.RESOLVED)
    assert end.opened_notification_id == beginning.notification_id
    assert end.resolved_at.timestamp() == START_S + 60


async def test_a_recovery_answers_a_beginning_that_was_sent_before_its_website_was_deleted(europe):
    (website,) = await down(europe, "http://example.com/")
    await deliver_all(europe.pool)
    await europe.recorder().record([flip_up(website)])
    await delete(europe, website)
    ((end, _),) = await deliver_all(europe.pool)
    assert (end.type, end.opened_message_id) == (Event.RESOLVED, "m1")


@pytest.mark.parametrize("how", END)
async def test_a_beginning_under_way_when_its_website_goes_is_sent_once(europe, how):
    (website,) = await down(europe, "http://example.com/")
    delivering, channel = deliverer(europe.pool)
    sending, go_on = asyncio.Event(), asyncio.Event()
    send = channel.send

    async def slowly(event, config):
        sending.set()
        await go_on.wait()
        return await send(event, config)

    channel.send = slowly
    ((row_id,),) = await europe.rows("SELECT id FROM notifications")
    delivery = asyncio.create_task(delivering.deliver(row_id))
    await sending.wait()
    # when
    await END[how](europe, website)
    go_on.set()
    await delivery
    # then
    assert _types(channel.sent) == [Event.OPENED]
    assert _types(await deliver_all(europe.pool)) == [Event.CLOSED]


@pytest.mark.parametrize("how", END)
@pytest.mark.parametrize("before", [True, False], ids=["failed before", "fails afterwards"])
async def test_who_could_not_be_told_of_the_beginning_is_not_told_of_the_end(europe, how, before):
    (website,) = await down(europe, "http://example.com/")
    delivering, channel = deliverer(europe.pool)
    ((row_id,),) = await europe.rows("SELECT id FROM notifications")
    channel.errors = [DeliveryError("550 no such user", permanent=True)]
    # when
    if before:
        await delivering.deliver(row_id)
    await END[how](europe, website)
    if not before:
        await delivering.deliver(row_id)
    # then
    assert await deliver_all(europe.pool) == []
    assert await europe.rows("SELECT id FROM notifications WHERE state = 'queued'") == []


async def test_a_pause_and_a_recovery_at_once_are_one_end(europe):
    urls = [f"http://example.com/{n}" for n in range(20)]
    ids = await down(europe, *urls)
    await deliver_all(europe.pool)
    # when
    pauses = [pause(europe, website) for website in ids]
    recoveries = [europe.recorder().record([flip_up(website)]) for website in ids]
    await asyncio.gather(*(x for pair in zip(pauses, recoveries, strict=True) for x in pair))
    # then
    told = [
        event.incidents[0].website_id if _types([(event, OPS)]) == [Event.CLOSED]
        else event.website_id for event, _ in await deliver_all(europe.pool)
    ]  # fmt: skip
    assert sorted(told) == sorted(ids)


# Many websites


@pytest.mark.parametrize("how", END_ALL)
async def test_many_are_told_in_one_message_a_recipient(europe, how):
    ours = await down(europe, *(f"http://ours.example/{n:02}" for n in range(30)))
    theirs = await down(europe, "http://theirs.example/", emails=(OPS, BOSS))
    await europe.add_website("http://up.example/", regions=("europe",))
    await deliver_all(europe.pool)
    # when
    await END_ALL[how](europe, 32)
    sent = {to: event for event, to in await deliver_all(europe.pool)}
    # then each is told of their own: the first by name, and how many they are
    assert sent.keys() == {OPS, BOSS}
    assert (sent[OPS].how, sent[OPS].total) == (Closing(how), 31)
    assert [one.website_id for one in sent[OPS].incidents] == ours[:LISTED]
    assert [one.website_id for one in sent[BOSS].incidents] == theirs
    rows = await europe.rows("SELECT count(*) FROM notifications WHERE event = 'closed'")
    assert rows == [(2,)]


async def test_of_many_only_those_that_could_be_told_are_counted(europe):
    await down(europe, *(f"http://example.com/{n:02}" for n in range(25)))
    delivering, channel = deliverer(europe.pool)
    rows = await europe.rows(
        "SELECT n.id FROM notifications n JOIN incidents i ON i.id = n.incident_id"
        " JOIN websites w ON w.id = i.website_id ORDER BY w.name"
    )
    channel.errors = [DeliveryError("550 not today", permanent=True)] * 3
    # when three of the beginnings fail for good afterwards
    await pause_all(europe, 25)
    for (row_id,) in rows[:3]:
        await delivering.deliver(row_id)
    # then
    (event,) = [
        e for e, _ in await deliver_all(europe.pool) if _types([(e, OPS)]) == [Event.CLOSED]
    ]
    assert (event.total, len(event.incidents)) == (22, LISTED - 3)


# Regions


async def _remove_region(world, _website):
    await regions.delete(world.pool, "europe", force=True)


async def _move_one(world, website):
    await move(world, website, "asia")


async def _move_all(world, _website):
    await move_all(world, 1, "asia")


REMOVE = [_remove_region, _move_one, _move_all]


@pytest.mark.parametrize("remove", REMOVE)
async def test_removing_the_one_region_that_held_it_down_ends_the_incident(europe, remove):
    await europe.add_region("asia")
    (website,) = await down(europe, "http://example.com/")
    await deliver_all(europe.pool)
    # when
    await remove(europe, website)
    # then
    assert await _resolutions(europe, website) == ["region_removed"]
    ((event, _),) = await deliver_all(europe.pool)
    (one,) = event.incidents
    assert (event.how, one.regions) == (Closing.REGION_REMOVED, ("europe",))
    assert one.opened_message_id == "m1"


async def test_a_removed_region_of_websites_of_all_regions_ends_what_it_alone_held(europe):
    await europe.add_region("asia")
    website = await europe.add_website()
    await europe.sync()
    await europe.recorder().record([flip_down(website)])
    await deliver_all(europe.pool)
    await regions.delete(europe.pool, "europe", force=True)
    ((event, _),) = await deliver_all(europe.pool)
    assert event.incidents[0].regions == ("europe",)


async def test_a_region_that_held_many_down_is_told_once(europe):
    await down(europe, *(f"http://example.com/{n:02}" for n in range(30)))
    await deliver_all(europe.pool)
    await regions.delete(europe.pool, "europe", force=True)
    ((event, _),) = await deliver_all(europe.pool)
    assert (event.how, event.total) == (Closing.REGION_REMOVED, 30)


async def _held_by_two_of_three(world, count=1):
    """Websites that asia and europe find down, and africa up."""
    for name in ("asia", "africa"):
        await world.add_region(name)
    ids = [await world.add_website(emails=(OPS,)) for _ in range(count)]
    await world.sync()
    found = {"asia": Verdict.DOWN, "europe": Verdict.DOWN, "africa": Verdict.UP}
    for region, verdict in found.items():
        changes = [state_change(website, verdict, slot_s=START_S + 15) for website in ids]
        assert await world.states.write(region, changes) == changes
    flips = [flip_down(w, region=region) for w in ids for region in ("asia", "europe")]
    await world.recorder().record(flips)
    assert _types(await deliver_all(world.pool)) == [Event.OPENED] * count
    return ids


async def test_an_incident_whose_quorum_goes_with_a_region_did_not_recover(europe):
    (website,) = await _held_by_two_of_three(europe)
    # when one of the two that held it down is removed, it is one against one
    await regions.delete(europe.pool, "europe", force=True)
    assert await _resolutions(europe, website) == [None]
    await Sweep(europe.recorder()).run()
    # then
    assert await _resolutions(europe, website) == ["region_removed"]
    await make_due(europe.pool)
    ((event, _),) = await deliver_all(europe.pool)
    assert event.incidents[0].regions == ("europe",)
    # and the next decision changes nothing
    await Sweep(europe.recorder()).run()
    assert await _resolutions(europe, website) == ["region_removed"]


async def test_an_incident_goes_on_while_the_remaining_regions_have_a_quorum(europe):
    (website,) = await _held_by_two_of_three(europe)
    # when the one that found it up is removed, then one of the two that found it down
    await regions.delete(europe.pool, "africa", force=True)
    await regions.delete(europe.pool, "europe", force=True)
    await Sweep(europe.recorder()).run()
    # then asia still holds it down, and its recovery is one
    assert await _resolutions(europe, website) == [None]
    await europe.recorder().record([flip_up(website, region="asia")])
    assert await _resolutions(europe, website) == ["recovered"]
    assert _types(await deliver_all(europe.pool)) == [Event.RESOLVED]


async def test_many_incidents_whose_quorum_goes_are_told_in_one_message(europe, monkeypatch):
    monkeypatch.setattr(sweep, "_CHUNK", 2)
    ids = await _held_by_two_of_three(europe, 5)
    # when they end in several transactions
    await regions.delete(europe.pool, "europe", force=True)
    await Sweep(europe.recorder()).run()
    # then
    await make_due(europe.pool)
    ((event, _),) = await deliver_all(europe.pool)
    assert (event.total, {one.website_id for one in event.incidents}) == (5, {*ids})


async def test_an_incident_of_a_website_without_regions_ends(europe):
    # given an incident that an earlier version left open when it removed the region
    (website,) = await down(europe, "http://example.com/")
    await deliver_all(europe.pool)
    for table in ("website_regions", "regions"):
        await europe.execute(f"DELETE FROM {table}")
    await Sweep(europe.recorder()).run()
    assert await _resolutions(europe, website) == ["region_removed"]


async def test_a_pause_that_also_moves_a_website_is_a_pause(europe):
    await europe.add_region("asia")
    (website,) = await down(europe, "http://example.com/")
    fields = {"paused": True, "regions": ("asia",)}
    await websites.change(europe.pool, Vault(), website, fields, europe.now_s)
    assert await _resolutions(europe, website) == ["paused"]


# Upkeep


async def test_what_outlived_its_website_is_deleted_after_a_month(europe):
    gone, kept = await down(europe, "http://gone.example/", "http://kept.example/")
    await deliver_all(europe.pool)
    await delete(europe, gone)
    await deliver_all(europe.pool)
    assert await outbox.expire(europe.pool) == 0
    # when
    await europe.execute("UPDATE notifications SET created_at = now() - interval '31 days'")
    await pause(europe, kept)
    await europe.execute(
        "UPDATE notifications SET created_at = now() - interval '31 days' WHERE state = 'queued'"
    )
    # then neither the history of others nor what is unsent is touched
    assert await outbox.expire(europe.pool) == 1
    left = await europe.rows("SELECT event, state FROM notifications ORDER BY 1")
    assert left == [("closed", "queued"), ("opened", "sent")]
