"""Deliveries: each row once, in order, again after a passing error, and in nobody's way."""

import asyncio
import datetime as dt

import psycopg
import pytest
from structlog.testing import capture_logs

from monitor.channels import email
from monitor.channels.contract import Delivery
from monitor.channels.registry import Channels
from monitor.domain.backoff import GIVE_UP_AFTER_S
from monitor.domain.delivery import Fault
from monitor.domain.errors import DeliveryError, Unavailable
from monitor.domain.incident import Event
from monitor.services.notifications.deliver import Deliverer
from monitor.services.notifications.health import failing_channels
from monitor.services.notifications.outbox import MAX_CONCURRENT_DELIVERIES, Outbox
from monitor.storage.postgres import channels, notifications
from support.factories import START_S, flip_down, flip_up


class ScriptedChannel:
    """Keeps (event, config), or fails as told; hangs while ``gate`` is not set."""

    def __init__(self):
        self.sent = []
        self.errors = []
        self.peer = "mail.test:25"
        self.under_way = 0
        self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, event, config):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.gate.wait()
        self.under_way -= 1
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((event, config))
        return Delivery(f"m{len(self.sent)}", "250 OK", self.peer)


async def _given(world, *flips_of, emails=("a@example.com",)):
    await world.add_region("europe")
    website = await world.add_website("http://example.com/shop", emails=emails)
    await world.sync()
    for flip_of in flips_of:
        await world.recorder().record([flip_of(website)])
    channel = ScriptedChannel()
    return channel, Deliverer(world.pool, Channels({email.KIND: channel}), world.now)


async def _ids(world, event="opened"):
    found = await world.rows("SELECT id FROM notifications WHERE event = %s", event)
    return [row_id for (row_id,) in found]


async def _state(world, row_id):
    ((state, attempts, error),) = await world.rows(
        "SELECT state, attempts, last_error FROM notifications WHERE id = %s", row_id
    )
    return state, attempts, error


async def test_a_notification_is_sent_once_however_often_it_is_asked_for(world):
    channel, deliverer = await _given(world, flip_down)
    (row_id,) = await _ids(world)
    # when many ask at once
    await asyncio.gather(*(deliverer.deliver(row_id) for _ in range(8)))
    await deliverer.deliver(row_id)
    # then
    ((event, config),) = channel.sent
    assert config == "a@example.com"
    assert event.notification_id == row_id
    assert await _state(world, row_id) == ("sent", 1, None)


async def test_a_passing_error_is_tried_again_later(world):
    channel, deliverer = await _given(world, flip_down)
    channel.errors = [DeliveryError("451 try later", permanent=False)]
    (row_id,) = await _ids(world)
    # when
    (again,) = await deliverer.deliver(row_id)
    # then it is not due before its time, and is then sent
    assert again.payload.notification_id == row_id
    assert again.not_before_ms == (START_S + 6) * 1000
    assert await _state(world, row_id) == ("queued", 1, "451 try later")
    assert await deliverer.deliver(row_id) == []
    assert channel.sent == []
    await world.execute("UPDATE notifications SET next_attempt_at = now()")
    await deliverer.deliver(row_id)
    assert await _state(world, row_id) == ("sent", 2, None)


async def test_a_permanent_error_is_recorded_and_ends_it(world):
    channel, deliverer = await _given(world, flip_down)
    channel.errors = [DeliveryError("550 no such user", permanent=True)]
    (row_id,) = await _ids(world)
    assert await deliverer.deliver(row_id) == []
    assert await _state(world, row_id) == ("failed", 1, "550 no such user")
    await deliverer.deliver(row_id)
    assert channel.sent == []


async def test_resolved_is_not_sent_before_opened(world):
    channel, deliverer = await _given(world, flip_down, flip_up)
    (opened,), (resolved,) = await _ids(world), await _ids(world, "resolved")
    # when the end is asked for first
    await deliverer.deliver(resolved)
    assert channel.sent == []
    await deliverer.deliver(opened)
    await deliverer.deliver(resolved)
    # then
    (first, _), (second, _) = channel.sent
    assert first.opened_notification_id == first.notification_id
    assert second.opened_notification_id == first.notification_id
    assert (first.opened_message_id, second.opened_message_id) == (None, "m1")


async def test_notify_drains_the_outbox_in_order(world):
    emails = [f"{n}@example.com" for n in range(40)]
    channel, deliverer = await _given(world, flip_down, flip_up, emails=emails)
    outbox = Outbox(deliverer, world.send)
    # when it is notified, and again for what follows
    async with asyncio.timeout(20):
        while len(channel.sent) < 80:
            outbox.notify()
            await asyncio.sleep(0.05)  # deliveries end in tasks of the outbox's own
    await outbox.close()
    # then everyone heard of the beginning and then of the end, once
    for address in emails:
        heard = [event.type for event, config in channel.sent if config == address]
        assert heard == [Event.OPENED, Event.RESOLVED]
    assert channel.most <= MAX_CONCURRENT_DELIVERIES


async def test_hanging_mail_server_does_not_block_notify(world):
    emails = [f"{n}@example.com" for n in range(40)]
    channel, deliverer = await _given(world, flip_down, emails=emails)
    channel.gate.clear()
    outbox = Outbox(deliverer, world.send)
    # when
    outbox.notify()
    async with asyncio.timeout(10):
        while channel.under_way < MAX_CONCURRENT_DELIVERIES:  # noqa: ASYNC110 - tasks of the outbox's own
            await asyncio.sleep(0.02)
    for _ in range(1000):
        outbox.notify()
    # then no more than its share is under way, and closing does not wait for it
    assert channel.most == MAX_CONCURRENT_DELIVERIES
    async with asyncio.timeout(5):
        await outbox.close()
    states = await world.rows("SELECT DISTINCT state FROM notifications")
    assert states == [("queued",)]


async def test_an_unforeseen_failure_does_not_end_the_outbox(world):
    channel, deliverer = await _given(world, flip_down)
    # given a table that is not there when the outbox is notified
    await world.execute("ALTER TABLE notifications RENAME TO elsewhere")
    outbox = Outbox(deliverer, world.send)
    with capture_logs() as logs:
        outbox.notify()
        async with asyncio.timeout(10):
            while not any(line["event"] == "outbox.failed" for line in logs):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    # when it is back, and the outbox is notified again
    await world.execute("ALTER TABLE elsewhere RENAME TO notifications")
    outbox.notify()
    # then
    async with asyncio.timeout(10):
        while not channel.sent:  # noqa: ASYNC110 - tasks of the outbox's own
            await asyncio.sleep(0.02)
    await outbox.close()


@pytest.mark.parametrize("tries", [2, 99])
async def test_a_mail_that_was_sent_is_recorded_as_soon_as_postgres_is_back(
    world, monkeypatch, tries
):
    channel, _ = await _given(world, flip_down)
    channels, again_s = Channels({email.KIND: channel}), (0.01,) * 4
    deliverer = Deliverer(world.pool, channels, world.now, record_again_s=again_s)
    (row_id,) = await _ids(world)
    # given a Postgres that is away for the first tries
    left, record = [None] * tries, notifications.mark_sent

    async def mark_sent(*row):
        if left:
            left.pop()
            raise psycopg.OperationalError("gone")
        await record(*row)

    monkeypatch.setattr(notifications, "mark_sent", mark_sent)
    # when
    if tries == 99:
        with pytest.raises(Unavailable):
            await deliverer.deliver(row_id)
    else:
        await deliverer.deliver(row_id)
    # then it was sent once, and where it could not be recorded its row is left for the sweep
    assert len(channel.sent) == 1
    assert await _state(world, row_id) == ("queued" if tries == 99 else "sent", 1, None)


async def test_row_scheduled_by_a_clock_ahead_is_delivered(world):
    channel, deliverer = await _given(world, flip_down)
    (row_id,) = await _ids(world)
    # when it was put off for as long as ever happens, it has to wait
    put_off = "UPDATE notifications SET next_attempt_at = now() + interval '15 min' + %s"
    await world.execute(put_off, dt.timedelta(seconds=30))
    await deliverer.deliver(row_id)
    assert channel.sent == []
    # and when for longer, the time is not to be believed
    await world.execute(put_off, dt.timedelta(minutes=60))
    async with world.pool.connection() as connection:
        assert await notifications.due(connection, 10) == [row_id]
    await deliverer.deliver(row_id)
    assert len(channel.sent) == 1


# Whom a refusal is about


def _in_doubt(peer="mail.test:25"):
    return DeliveryError("550 no", permanent=False, final_if_serving=peer)


async def _sent(world, row_id, *, ago="1 min", peer="mail.test:25"):
    await world.execute(
        "UPDATE notifications SET state = 'sent', sent_at = now() - %s::interval, peer = %s"
        " WHERE id = %s",
        ago, peer, row_id,
    )  # fmt: skip


async def _fault(world, row_id):
    ((fault,),) = await world.rows("SELECT fault FROM notifications WHERE id = %s", row_id)
    return fault


async def _refused_in_doubt(world, emails, **taken):
    """One recipient is refused in doubt, after another was taken for as told; returns its row."""
    channel, deliverer = await _given(world, flip_down, emails=emails)
    refused, *others = await _ids(world)
    for other in others:
        await _sent(world, other, **taken)
    channel.errors = [_in_doubt()]
    await deliverer.deliver(refused)
    return refused


TWO = ("a@example.com", "b@example.com")


async def test_a_refusal_in_doubt_is_tried_again_while_nobody_is_served(world):
    row_id = await _refused_in_doubt(world, ["a@example.com"])
    assert await _state(world, row_id) == ("queued", 1, "550 no")
    assert await _fault(world, row_id) == "refused"


async def test_a_refusal_in_doubt_is_final_where_the_server_took_another_recipient(world):
    row_id = await _refused_in_doubt(world, TWO)
    assert await _state(world, row_id) == ("failed", 1, "550 no")
    assert await _fault(world, row_id) == "recipient"


@pytest.mark.parametrize("taken", [{"ago": "61 min"}, {"peer": "other.test:25"}, {"peer": None}])
async def test_what_was_taken_long_ago_or_by_another_server_proves_nothing(world, taken):
    row_id = await _refused_in_doubt(world, TWO, **taken)
    assert await _state(world, row_id) == ("queued", 1, "550 no")


async def test_what_was_taken_for_the_same_recipient_proves_nothing(world):
    channel, deliverer = await _given(world, flip_down, flip_up)
    (opened,), (resolved,) = await _ids(world), await _ids(world, "resolved")
    await deliverer.deliver(opened)
    channel.errors = [_in_doubt()]
    await deliverer.deliver(resolved)
    assert await _state(world, resolved) == ("queued", 1, "550 no")


async def test_a_delivery_keeps_who_took_it(world):
    _, deliverer = await _given(world, flip_down)
    (row_id,) = await _ids(world)
    await deliverer.deliver(row_id)
    rows = await world.rows("SELECT peer, fault, failing_since FROM notifications")
    assert rows == [("mail.test:25", None, None)]


@pytest.mark.parametrize("fault", Fault)
async def test_whatever_passes_is_tried_for_two_days_and_named_in_the_log(world, fault):
    channel, deliverer = await _given(world, flip_down)
    (row_id,) = await _ids(world)
    # given an hour less than that, and an hour more
    for age_s, state in ((GIVE_UP_AFTER_S - 3600, "queued"), (GIVE_UP_AFTER_S + 3600, "failed")):
        await world.execute(
            "UPDATE notifications SET created_at = to_timestamp(%s), next_attempt_at = now()",
            world.now() - age_s,
        )
        channel.errors = [DeliveryError("no", permanent=False, fault=fault)]
        # when
        with capture_logs() as logs:
            await deliverer.deliver(row_id)
        # then
        assert (await _state(world, row_id))[0] == state
        assert await _fault(world, row_id) == fault.value
        (line,) = [line for line in logs if line["event"] == "notification.failed"]
        assert (line["channel"], line["fault"]) == ("email", fault.value)


# Whether mail leaves


async def _fail(world, deliverer, channel, row_id, **error):
    await world.execute("UPDATE notifications SET next_attempt_at = now() WHERE id = %s", row_id)
    channel.errors = [DeliveryError("554 no", **{"permanent": False} | error)]
    await deliverer.deliver(row_id)


async def _failing(world):
    return [(one.channel, one.fault, one.error) for one in await failing_channels(world.pool)]


async def test_a_channel_fails_from_a_failed_delivery_to_one_that_succeeds(world):
    channel, deliverer = await _given(world, flip_down, emails=TWO)
    one, other = await _ids(world)
    assert await _failing(world) == []
    # when
    await _fail(world, deliverer, channel, one, fault=Fault.LOGIN)
    assert await _failing(world) == [("email", Fault.LOGIN, "554 no")]
    # then what began to fail last tells more, and any success ends it
    await _fail(world, deliverer, channel, one, fault=Fault.UNREACHABLE)
    assert await _failing(world) == [("email", Fault.UNREACHABLE, "554 no")]
    await deliverer.deliver(other)
    assert await _failing(world) == []


async def test_what_goes_on_to_fail_while_others_are_served_is_no_failing_channel(world):
    # given a recipient that a server refuses as if it were for us, and one that it serves
    channel, deliverer = await _given(world, flip_down, emails=TWO)
    refused, served = await _ids(world)
    await _fail(world, deliverer, channel, refused, fault=Fault.REFUSED)
    await deliverer.deliver(served)
    # when it goes on to refuse
    await _fail(world, deliverer, channel, refused, fault=Fault.REFUSED)
    assert await _failing(world) == []
    # then it fails when it fails for something else
    await _fail(world, deliverer, channel, refused, fault=Fault.UNREACHABLE)
    assert await _failing(world) == [("email", Fault.UNREACHABLE, "554 no")]


@pytest.mark.parametrize("permanent", [True, False])
async def test_a_recipient_that_is_refused_is_no_failing_channel(world, permanent):
    channel, deliverer = await _given(world, flip_down)
    (row_id,) = await _ids(world)
    await _fail(world, deliverer, channel, row_id, permanent=permanent, fault=Fault.RECIPIENT)
    assert await _failing(world) == []


async def test_a_channel_over_which_nothing_waits_is_not_known_to_fail(world):
    channel, deliverer = await _given(world, flip_down)
    (row_id,) = await _ids(world)
    await _fail(world, deliverer, channel, row_id, fault=Fault.LOGIN)
    # when it was tried for two days
    await world.execute("UPDATE notifications SET created_at = to_timestamp(0)")
    await _fail(world, deliverer, channel, row_id, fault=Fault.LOGIN)
    # then
    assert (await _state(world, row_id))[0] == "failed"
    assert await _failing(world) == []


async def test_a_worker_of_an_older_version_ends_a_failure_too(world):
    channel, deliverer = await _given(world, flip_down)
    (row_id,) = await _ids(world)
    await _fail(world, deliverer, channel, row_id, fault=Fault.LOGIN)
    # when it records what it sent without the columns it does not know
    await world.execute("UPDATE notifications SET state = 'sent', sent_at = now()")
    # then
    assert await _failing(world) == []


async def test_a_fault_that_a_newer_version_found_is_a_refusal(world):
    channel, deliverer = await _given(world, flip_down)
    (row_id,) = await _ids(world)
    await _fail(world, deliverer, channel, row_id, fault=Fault.LOGIN)
    await world.execute("UPDATE notifications SET fault = 'something new'")
    assert await _failing(world) == [("email", Fault.REFUSED, "554 no")]


async def test_the_questions_about_a_channel_are_answered_from_indexes(world):
    hour = dt.timedelta(hours=1)
    questions = (
        (channels._FAILING, [["email"]]),
        (channels._TOOK_ANOTHER, ["email", hour, "mail.test:25", "a@example.com"]),
    )
    async with world.pool.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")  # there are few rows
        for question, values in questions:
            cursor = await connection.execute(f"EXPLAIN {question}", values)
            plan = "\n".join(line for (line,) in await cursor.fetchall())
            assert "notifications_sent" in plan
            assert ("notifications_failing" in plan) is (question is channels._FAILING)
            assert "Seq Scan" not in plan
