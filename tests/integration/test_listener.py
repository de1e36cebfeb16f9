"""Idle consumers are notified of messages; a lost notification costs a poll."""

import threading
import time
from contextlib import closing
from urllib.parse import urlsplit

import dramatiq
import pytest
from dramatiq.brokers.redis import _RedisConsumer

from monitor.domain import messages
from monitor.queue import broker as broker_module
from monitor.queue import consumer as redis_consumer
from monitor.queue.broker import Broker
from support.factories import recheck_message
from support.products import until

QUEUE = "checks.europe"
FOR_EVER_S = 600


@pytest.fixture
def patient(monkeypatch):
    """Consumers poll only when notified."""
    monkeypatch.setattr(redis_consumer, "POLL_SUBSCRIBED_EVERY_S", FOR_EVER_S)
    monkeypatch.setattr(broker_module, "_POLL_CHECKS_EVERY_S", FOR_EVER_S)


@pytest.fixture
def listening(broker):
    """A consumer that would be told of a message."""
    consumer = broker.consume(QUEUE, prefetch=4)
    until(lambda: broker.listener.subscribed(QUEUE))
    return consumer


def _message(in_s=-1.0):
    return messages.check_websites(recheck_message([], slot_ms=int((time.time() + in_s) * 1000)))


def _plain(message_id):
    options = {"redis_message_id": message_id}
    return dramatiq.Message(QUEUE, "check_websites", (), {}, options)


class Waiting:
    """A thread that asks a consumer for so many messages."""

    def __init__(self, consumer, wanted=1):
        self.found, self.nones, self.given_up = [], 0, False
        self._consumer, self._wanted = consumer, wanted
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while len(self.found) < self._wanted and not self.given_up:
            message = next(self._consumer)
            if message is None:
                self.nones += 1
            else:
                self.found.append(message)

    def ends(self, within_s=20):
        self._thread.join(within_s)
        return not self._thread.is_alive()


@pytest.fixture
def wait(broker):
    """Starts a thread that waits; all of them end with the test."""
    started = []

    def start(consumer, wanted=1):
        started.append(Waiting(consumer, wanted))
        return started[-1]

    yield start
    for each in started:
        each.given_up = True
    broker.listener.stop()
    assert all(each.ends() for each in started)


@pytest.fixture
def looks(broker, monkeypatch):
    """One entry for each look at a queue."""
    found, fetch = [], broker.do_fetch

    def counted(queue_name, prefetch):
        answer = fetch(queue_name, prefetch)
        found.append(queue_name)
        return answer

    monkeypatch.setattr(broker, "do_fetch", counted)
    return found


def test_an_idle_consumer_is_notified_by_what_another_process_sends(
    patient, listening, looks, redis_url, wait
):
    # given one that has looked and found nothing
    waiting = wait(listening)
    until(lambda: looks)
    # when
    with closing(Broker(redis_url)) as sender:
        sender.send([_message()])
    # then
    assert waiting.ends()


@pytest.mark.parametrize("delay_ms", [None, 1])
def test_what_dramatiq_itself_queues_wakes_too(patient, broker, looks, delay_ms, wait):
    # given
    queue = QUEUE if delay_ms is None else f"{QUEUE}.DQ"
    consumer = broker.consume(queue, prefetch=4)
    until(lambda: broker.listener.subscribed(queue))
    waiting = wait(consumer)
    until(lambda: looks)
    # when
    broker.enqueue(dramatiq.Message(QUEUE, "check_websites", (), {}, {}), delay=delay_ms)
    # then
    assert waiting.ends()


def test_a_consumer_wakes_when_the_time_of_a_message_has_come(patient, broker, looks):
    # given a message for later, in the hands of a consumer that would look for others in an hour
    queue = f"{QUEUE}.DQ"
    broker.send([_message(in_s=1.5)])
    consumer = broker.consume(queue, prefetch=4)
    until(lambda: broker.listener.subscribed(queue))
    held = next(consumer)
    # when
    while next(consumer) is None and broker.now_ms() < held.options["eta"]:
        pass
    # then
    assert broker.now_ms() - held.options["eta"] < 20_000


def test_several_that_are_due_together_wake_it_once(broker):
    # given
    queue = f"{QUEUE}.DQ"
    broker.send([_message(in_s=0.3) for _ in range(3)])
    consumer = broker.consume(queue, prefetch=4)
    held = [next(consumer) for _ in range(3)]
    until(lambda: broker.now_ms() > max(m.options["eta"] for m in held))
    began_s = time.monotonic()
    # when: at once, then not before it would look anyway
    assert next(consumer) is None
    assert next(consumer) is None
    # then
    assert time.monotonic() - began_s > 0.5


def test_a_full_consumer_goes_on_when_there_is_room(patient, broker, looks, wait):
    # given one that may hold four, and does
    broker.send([_message() for _ in range(5)])
    consumer = broker.consume(QUEUE, prefetch=4)
    held = [next(consumer) for _ in range(4)]
    waiting = wait(consumer)
    # when
    consumer.ack(held[0])
    # then
    assert waiting.ends()


def test_room_that_is_made_during_its_look_is_seen(patient, listening, broker, monkeypatch, wait):
    # given a full one, of whose messages one is done while it finds that it is full
    broker.send([_message() for _ in range(5)])
    until(listening._notified.is_set)
    held, look = [next(listening) for _ in range(4)], _RedisConsumer.__next__

    def look_then_acknowledge(self):
        found = look(self)
        if len(held) == 4:
            self.ack(held.pop())
        return found

    monkeypatch.setattr(_RedisConsumer, "__next__", look_then_acknowledge)
    # when
    waiting = wait(listening)
    # then
    assert waiting.ends()


@pytest.fixture
def silent_url(redis_url, client):
    """As a user of Redis who may neither publish nor subscribe: a new one may not, by default."""
    client.acl_setuser("silent", enabled=True, nopass=True, keys=["*"], commands=["+@all"])
    parts = urlsplit(redis_url)
    yield parts._replace(netloc=f"silent:x@{parts.hostname}:{parts.port}").geturl()
    client.acl_deluser("silent")


def test_a_consumer_looks_often_while_nobody_would_wake_it(redis_url, silent_url, wait):
    # given
    with closing(Broker(silent_url)) as unsubscribed:
        waiting = wait(unsubscribed.consume(QUEUE, prefetch=4))
        until(lambda: waiting.nones)
        # when
        with closing(Broker(redis_url)) as sender:
            sender.send([_message()])
        # then
        assert waiting.ends()
        assert not unsubscribed.listener.subscribed(QUEUE)


def test_who_may_not_publish_still_sends(silent_url, client):
    # given
    with closing(Broker(silent_url)) as sender:
        # when
        sender.send([_message()])
        sender.enqueue(dramatiq.Message(QUEUE, "check_websites", (), {}, {}))
        assert sender.send_once("claim", 60, [_message()])
        assert not sender.send_once("claim", 60, [_message()])
        sender.notify(QUEUE)
        # then each is there once
        assert sender.backlog(QUEUE) == 3


def test_the_first_claim_of_who_may_not_publish_is_taken_once(silent_url):
    with closing(Broker(silent_url)) as sender:
        assert sender.send_once("claim", 60, [_message()])
        assert sender.backlog(QUEUE) == 1


def test_who_may_not_publish_may_requeue(silent_url):
    with closing(Broker(silent_url)) as other:
        other.client.hset("dramatiq:checks.europe.msgs", "1", _plain("1").encode())
        other.client.rpush("dramatiq:checks.europe", "1")
        holder = other.consume(QUEUE, prefetch=4)
        holder.requeue([next(holder)])
        assert next(holder) is not None


def test_it_subscribes_again_after_the_connection_was_cut(
    patient, listening, broker, client, looks, wait
):
    # given one that looked when it was cut, and found nothing
    waiting = wait(listening, wanted=2)
    until(lambda: looks)
    looks.clear()
    client.client_kill_filter(_type="pubsub")
    until(lambda: looks)
    # when a message comes while nobody listens
    broker.send([_message()])
    # then it is found once somebody does
    until(lambda: len(waiting.found) == 1)
    # and later ones wake again
    until(lambda: broker.listener.subscribed(QUEUE))
    broker.send([_message()])
    assert waiting.ends()


def test_an_unforeseen_error_does_not_end_the_listener(
    patient, listening, broker, client, looks, wait
):
    # given
    waiting = wait(listening)
    until(lambda: looks)
    looks.clear()
    # when something comes that nobody understands
    broker.listener._events.pop(QUEUE)
    client.publish("dramatiq:__wake__.checks.europe", b"")
    until(lambda: not broker.listener.subscribed(QUEUE))
    broker.listener._events[QUEUE] = listening._notified
    # then
    until(lambda: broker.listener.subscribed(QUEUE))
    broker.send([_message()])
    assert waiting.ends()


def test_many_notifications_do_not_make_it_poll_more_than_ten_times_a_second(
    patient, listening, broker, client, looks, wait
):
    # given
    wait(listening)
    until(lambda: looks)
    looks.clear()
    began_s = time.monotonic()
    # when
    for _ in range(100):
        client.publish("dramatiq:__wake__.checks.europe", b"")
        time.sleep(0.005)
    # then
    assert 1 <= len(looks) <= (time.monotonic() - began_s) * 10 + 2


def test_a_worker_that_shuts_down_does_not_wait(patient, listening, broker, looks, wait):
    # given
    waiting = wait(listening)
    until(lambda: looks)
    # when
    broker.emit_before("worker_shutdown", None)
    # then it was told of no message, and looks as if nobody woke it
    until(lambda: waiting.nones)
    assert not broker.listener.subscribed(QUEUE)


def test_what_a_worker_requeues_wakes_others(patient, listening, broker, redis_url, looks, wait):
    # given a message in the hands of another worker
    with closing(Broker(redis_url)) as other:
        broker.send([_message()])
        holder = other.consume(QUEUE, prefetch=4)
        held = next(holder)
        waiting = wait(listening)
        until(lambda: looks)
        # when
        holder.requeue([held])
        # then
        assert waiting.ends()
