"""Every channel keeps the contract: through the outbox, against another side that answers."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from monitor.channels.registry import KINDS, Channels
from monitor.domain.incident import Event, Recipient
from monitor.services.notifications.deliver import Deliverer
from monitor.services.notifications.health import CHANNELS
from monitor.services.notifications.outbox import Outbox
from monitor.storage.postgres import notifications
from support.channels import HANG, LATER, NEVER, PagerChannel, email_side, pager_side
from support.closing import delete, pause_all
from support.factories import flip_down, flip_up

SIDES = {"email": email_side, "pager": pager_side}


@pytest.fixture(params=SIDES)
async def side(request):
    """Each channel, with another side that answers as told."""
    async with SIDES[request.param]() as opened:
        yield opened


async def _down(world, *recipients, evidence="HTTP 503"):
    """A website goes down, and these recipients are to be told; returns it and the rows' ids."""
    await world.add_region("europe")
    website = await world.add_website("http://example.com/shop")
    await world.sync()
    await world.recorder(recipients=()).record([flip_down(website, evidence=evidence)])
    ((incident,),) = await world.rows("SELECT id FROM incidents")
    async with world.pool.connection() as connection:
        told = [(incident, to) for to in recipients]
        return website, await notifications.queue(connection, Event.OPENED, told)


async def _up(world, website):
    await world.recorder(recipients=()).record([flip_up(website)])
    found = await world.rows("SELECT id FROM notifications WHERE event = 'resolved' ORDER BY id")
    return [row_id for (row_id,) in found]


async def _row(world, row_id):
    ((state, attempts, error),) = await world.rows(
        "SELECT state, attempts, last_error FROM notifications WHERE id = %s", row_id
    )
    return state, attempts, error


def _recipients(side):
    return [Recipient(side.kind, config) for config in side.recipients]


async def _empty_outbox(world, side, *row_ids, send_within_s=10.0):
    """Let an outbox work until it has recorded what came of one more try for each of these."""
    before = {row_id: (await _row(world, row_id))[1] for row_id in row_ids}
    deliverer = Deliverer(world.pool, side.channels, world.now, send_within_s=send_within_s)
    outbox = Outbox(deliverer, world.send)
    outbox.notify()

    async with asyncio.timeout(20):
        for row_id in row_ids:
            while not await _tried(world, row_id, before[row_id]):  # noqa: ASYNC110 - in its tasks
                await asyncio.sleep(0.02)
    await outbox.close()


async def _tried(world, row_id, attempts_before):
    state, attempts, error = await _row(world, row_id)
    return attempts > attempts_before and (state != "queued" or error is not None)


async def _make_due(world, row_id):
    await world.execute(
        "UPDATE notifications SET next_attempt_at = now(), last_error = NULL WHERE id = %s", row_id
    )


async def test_an_event_reaches_its_recipient_and_the_delivery_is_recorded(world, side):
    side.comment = "as 4711"
    _, (row_id,) = await _down(world, _recipients(side)[0])
    # when
    await _empty_outbox(world, side, row_id)
    # then
    (message,) = side.received
    assert message.recipient == side.recipients[0]
    assert "HTTP 503" in message.text
    assert await _row(world, row_id) == ("sent", 1, None)
    ((message_id, response),) = await world.rows("SELECT message_id, response FROM notifications")
    assert message_id == message.id
    assert response.endswith("as 4711")


async def test_a_passing_error_is_tried_again_after_a_growing_wait(world, side):
    side.then, side.comment = LATER, "too many"
    _, (row_id,) = await _down(world, _recipients(side)[0])
    for attempt, wait_s in ((1, 5), (2, 10)):
        # when
        await _empty_outbox(world, side, row_id)
        # then it is rescheduled, and a message will wake the outbox when it is due
        state, attempts, error = await _row(world, row_id)
        assert (state, attempts) == ("queued", attempt)
        assert "too many" in error
        ((left_s,),) = await world.rows(
            "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM notifications"
        )
        assert wait_s - 4 < left_s <= wait_s
        assert world.sent[-1].payload.notification_id == row_id
        await _make_due(world, row_id)
    # and when the other side takes it at last
    side.then = "accept"
    await _empty_outbox(world, side, row_id)
    assert await _row(world, row_id) == ("sent", 3, None)
    assert len(side.received) == 1


async def test_a_permanent_error_ends_it(world, side):
    side.then, side.comment = NEVER, "not here"
    _, (row_id,) = await _down(world, _recipients(side)[0])
    # when
    await _empty_outbox(world, side, row_id)
    # then
    state, attempts, error = await _row(world, row_id)
    assert (state, attempts) == ("failed", 1)
    assert "not here" in error
    assert (world.sent, side.received) == ([], [])


async def test_a_config_that_is_none_is_a_permanent_error(world, side):
    _, (row_id,) = await _down(world, Recipient(side.kind, "no such notation"))
    # when
    await _empty_outbox(world, side, row_id)
    # then
    assert (await _row(world, row_id))[0] == "failed"
    assert side.tries == 0


async def test_an_event_that_is_sent_twice_has_one_id(world, side):
    _, rows = await _down(world, *_recipients(side))
    await _empty_outbox(world, side, *rows)
    # given a worker that died before it recorded what it had sent
    await world.execute(
        "UPDATE notifications SET state = 'queued', sent_at = NULL, next_attempt_at = now()"
    )
    # when
    await _empty_outbox(world, side, *rows)
    # then each recipient can tell that both copies are one
    assert len(side.received) == 4
    for recipient in side.recipients:
        assert len({m.id for m in side.received if m.recipient == recipient}) == 1
    assert len({m.id for m in side.received}) == 2


async def test_the_end_answers_what_told_the_same_recipient_of_the_beginning(world, side):
    website, opened = await _down(world, *_recipients(side))
    await _empty_outbox(world, side, *opened)
    # when
    await _empty_outbox(world, side, *await _up(world, website))
    # then
    for recipient in side.recipients:
        first, second = [m for m in side.received if m.recipient == recipient]
        assert (first.answers, second.answers) == (None, first.id)


async def test_a_closed_incident_answers_what_told_of_its_beginning(world, side):
    website, opened = await _down(world, *_recipients(side))
    await _empty_outbox(world, side, *opened)
    # when
    await delete(world, website)
    await _empty_outbox(world, side, *await _queued(world))
    # then
    for recipient in side.recipients:
        first, second = [m for m in side.received if m.recipient == recipient]
        assert second.answers == first.id
        assert "deleted" in second.text


async def test_many_closed_incidents_are_one_message(world, side):
    await world.add_region("europe")
    websites = [await world.add_website(f"http://{n}.example/") for n in range(30)]
    await world.sync()
    await world.recorder(recipients=()).record([flip_down(w) for w in websites])
    incidents = await world.rows("SELECT id FROM incidents")
    async with world.pool.connection() as connection:
        told = [(incident, _recipients(side)[0]) for (incident,) in incidents]
        opened = await notifications.queue(connection, Event.OPENED, told)
    await _empty_outbox(world, side, *opened)
    side.received.clear()
    # when
    await pause_all(world, 30)
    await _empty_outbox(world, side, *await _queued(world))
    # then
    (message,) = side.received
    assert message.answers is None
    assert "30" in message.text
    assert "0.example" in message.text


async def _queued(world):
    rows = await world.rows("SELECT id FROM notifications WHERE state = 'queued' ORDER BY id")
    return [row_id for (row_id,) in rows]


async def test_what_strangers_write_is_bounded_and_printable(world, side):
    hostile = "x\r\nBcc: victim@example.org\x1b[2J" + "x" * 5000
    _, (row_id,) = await _down(world, _recipients(side)[0], evidence=hostile)
    await world.execute("UPDATE websites SET name = %s", hostile[:255])
    side.comment = "\x1b[2J" + "y" * 700
    # when
    await _empty_outbox(world, side, row_id)
    # then
    (message,) = side.received
    assert len(message.text) < 1500
    assert not any(line.startswith("Bcc") for line in message.text.splitlines())
    assert "\x1b" not in message.text
    ((response,),) = await world.rows("SELECT response FROM notifications")
    assert response.isprintable()
    assert 400 < len(response) <= 500


async def test_an_error_in_many_words_is_cut(world, side):
    side.then, side.comment = LATER, "\x1b[2J" + "y" * 700
    _, (row_id,) = await _down(world, _recipients(side)[0])
    # when
    await _empty_outbox(world, side, row_id)
    # then
    _, _, error = await _row(world, row_id)
    assert error.isprintable()
    assert len(error) <= 500


async def test_another_side_that_says_nothing_is_given_up_in_time(world, side):
    side.then = HANG
    _, (row_id,) = await _down(world, _recipients(side)[0])
    # when
    began_s = time.monotonic()
    await _empty_outbox(world, side, row_id, send_within_s=0.3)
    # then
    assert time.monotonic() - began_s < 10
    state, attempts, error = await _row(world, row_id)
    assert (state, attempts) == ("queued", 1)
    assert "within 0.3 s" in error


async def test_a_delivery_under_way_when_the_outbox_closes_stays_in_it(world, side):
    side.then = HANG
    _, (row_id,) = await _down(world, _recipients(side)[0])
    outbox = Outbox(Deliverer(world.pool, side.channels, world.now), world.send)
    outbox.notify()
    async with asyncio.timeout(20):
        while not side.tries:  # noqa: ASYNC110 - deliveries end in tasks of its own
            await asyncio.sleep(0.02)
    # when
    async with asyncio.timeout(10):
        await outbox.close()
    # then
    assert await _row(world, row_id) == ("queued", 1, None)


# Channels that a newer version knows


async def test_an_unknown_channel_is_left_to_newer_workers_and_holds_up_nobody(world):
    async with email_side() as side:
        # given more rows of a newer version than an outbox reads at once, all due for long
        pagers = [Recipient("pager", f"{n}@nowhere:1") for n in range(600)]
        _, rows = await _down(world, *pagers, _recipients(side)[0])
        await world.execute(
            "UPDATE notifications SET next_attempt_at = now() - interval '1 hour'"
            " WHERE channel = 'pager'"
        )
        deliverer = Deliverer(world.pool, side.channels, world.now)
        outbox = Outbox(deliverer, world.send)
        with capture_logs() as logs:
            # when it is notified again and again
            async with asyncio.timeout(20):
                while not (side.received and outbox.unsupported):
                    outbox.notify()
                    await asyncio.sleep(0.05)
                for _ in range(5):
                    outbox.notify()
                    await asyncio.sleep(0.02)
            await outbox.close()
        # then its own are delivered, and the others untouched, counted, and logged once
        assert await _row(world, rows[-1]) == ("sent", 1, None)
        left = "SELECT DISTINCT state, attempts, last_error FROM notifications WHERE channel=%s"
        assert await world.rows(left, "pager") == [("queued", 0, None)]
        assert outbox.unsupported == 600
        (line,) = [line for line in logs if line["event"] == "outbox.unsupported_channel"]
        assert (line["channel"], line["notifications"]) == ("pager", 600)
        # and whoever names one of them gets nothing done
        assert await deliverer.deliver(rows[0]) == []
        assert await world.rows(left, "pager") == [("queued", 0, None)]


async def test_a_worker_that_knows_the_channel_delivers_what_others_left(world):
    async with pager_side() as side:
        _, (row_id,) = await _down(world, _recipients(side)[0])
        older = Deliverer(world.pool, Channels({}), world.now)
        assert await older.due(10) == []
        assert await older.unsupported() == {"pager": 1}
        # when
        await _empty_outbox(world, side, row_id)
        # then
        assert await _row(world, row_id) == ("sent", 1, None)
        assert await older.unsupported() == {}


async def test_rows_taken_by_others_are_no_longer_counted(world):
    async with pager_side() as side:
        _, (row_id,) = await _down(world, _recipients(side)[0])
        older = Deliverer(world.pool, Channels({}), world.now)
        outbox = Outbox(older, world.send, count_every_s=0.05)
        outbox.notify()
        async with asyncio.timeout(20):
            while outbox.unsupported != 1:  # noqa: ASYNC110 - counted in its own task
                await asyncio.sleep(0.02)
            # when
            await _empty_outbox(world, side, row_id)
            # then
            while outbox.unsupported != 0:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.02)
        await outbox.close()


async def test_an_event_of_a_newer_version_is_left_to_newer_workers(world):
    async with email_side() as side:
        _, (row_id,) = await _down(world, _recipients(side)[0])
        await world.execute("UPDATE notifications SET event = 'escalated'")
        deliverer = Deliverer(world.pool, side.channels, world.now)
        assert await deliverer.due(10) == []
        assert await deliverer.deliver(row_id) == []
        assert await deliverer.unsupported() == {"email": 1}
        assert await _row(world, row_id) == ("queued", 0, None)


# The registry


async def test_channels_are_closed_even_where_one_fails_to():
    class Closing(PagerChannel):
        def __init__(self, error=None):
            self.closed, self._error = False, error

        async def close(self):
            self.closed = True
            if self._error:
                raise self._error

    made = [Closing(), Closing(OSError("stuck")), Closing()]
    channels = Channels({str(n): channel for n, channel in enumerate(made)})
    with pytest.raises(OSError, match="stuck"):
        await channels.close()
    assert all(channel.closed for channel in made)


def test_e_mail_is_registered():
    assert "email" in KINDS


def test_every_channel_is_watched():
    assert set(CHANNELS) == KINDS.keys()
