"""What a dead worker held comes back as soon as it is missed, on every queue, not by chance."""

import time
from contextlib import closing

import dramatiq
import pytest

from monitor import dead_workers
from monitor.broker import Broker
from monitor.domain import messages
from monitor.domain.messages import CheckBatch

QUEUE = "checks.europe"


def _batch(not_before_ms):
    return messages.check_batch(
        CheckBatch(region="europe", interval_s=60, lo=0, hi=1, slot_ms=not_before_ms)
    )


def _fetched(broker, queue):
    return [dramatiq.Message.decode(data).message_id for data in broker.do_fetch(queue, 16)]


@pytest.mark.parametrize("queue", [QUEUE, f"{QUEUE}.DQ"])
def test_it_comes_back_at_the_first_look_after_the_worker_was_missed(
    broker, redis_url, queue, monkeypatch
):
    # given a worker that has a message, and one that has just looked for dead ones
    monkeypatch.setattr(dead_workers, "LOOK_EVERY_S", 0.5)
    dies = Broker(redis_url)
    with closing(dies.client):
        broker.send([_batch(1 if queue == QUEUE else int(time.time() * 1000) + 60_000)])
        held = _fetched(dies, queue)
        assert len(held) == 1
        assert _fetched(broker, queue) == []
        # when the first was silent for long
        heartbeats = f"{dies.namespace}:__heartbeats__"
        silent_since_ms = int(time.time() * 1000) - dies.heartbeat_timeout - 1
        broker.client.zadd(heartbeats, {dies.broker_id: silent_since_ms})
        time.sleep(0.5)  # until it is time to look again
        # then
        assert _fetched(broker, queue) == held


def test_who_is_not_silent_keeps_what_it_has(broker, redis_url):
    alive = Broker(redis_url)
    with closing(alive.client):
        broker.send([_batch(1)])
        assert len(_fetched(alive, QUEUE)) == 1
        assert _fetched(broker, QUEUE) == []


@pytest.mark.parametrize("queue", [QUEUE, f"{QUEUE}.DQ"])
def test_nobody_is_taken_for_dead_because_the_clock_was_stepped(
    broker, redis_url, queue, monkeypatch
):
    # given a worker that has a message, and one that has looked
    monkeypatch.setattr(dead_workers, "LOOK_EVERY_S", 0.0)
    alive = Broker(redis_url)
    with closing(alive.client):
        broker.send([_batch(1 if queue == QUEUE else int(time.time() * 1000) + 60_000)])
        assert len(_fetched(alive, queue)) == 1
        assert _fetched(broker, queue) == []
        # when the clock is stepped, and the second hears of it first
        ahead_ms = 10 * dead_workers.HEARTBEAT_TIMEOUT_MS
        monkeypatch.setattr(broker, "now_ms", lambda: int(time.time() * 1000) + ahead_ms)
        # then
        assert _fetched(broker, queue) == []


def test_who_is_told_to_end_takes_no_more_and_is_not_taken_for_dead(broker, redis_url):
    # given a worker that has a message
    ends = Broker(redis_url)
    with closing(ends.client):
        broker.send([_batch(1)])
        assert len(_fetched(ends, QUEUE)) == 1
        # when it is told to end, and looks once more when it would soon be taken for dead
        ends.emit_before("worker_shutdown", None)
        broker.send([_batch(2)])
        heartbeats = f"{ends.namespace}:__heartbeats__"
        silent_since_ms = int(time.time() * 1000) - ends.heartbeat_timeout - 1
        broker.client.zadd(heartbeats, {ends.broker_id: silent_since_ms})
        # then
        assert _fetched(ends, QUEUE) == []
        # and another takes what came, and not what it has
        assert len(_fetched(broker, QUEUE)) == 1
