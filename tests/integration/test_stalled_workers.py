"""What a dead worker held comes back once it was silent for long, on every queue, not by chance."""

import time
from contextlib import closing

import dramatiq
import pytest

from monitor.domain import messages
from monitor.queue.broker import Broker
from monitor.queue.liveness import STALLED_AFTER_S, StalledWorkers
from support.factories import batch_message

QUEUE = "checks.europe"
HOUR_MS = 3_600_000


def _batch(not_before_ms):
    return messages.check_batch(batch_message(interval_s=60, hi=1, slot_ms=not_before_ms))


def _fetched(broker, queue):
    return [dramatiq.Message.decode(data).message_id for data in broker.do_fetch(queue, 16)]


class Waiting:
    """A broker whose steady clock the test turns; it looks every two seconds meanwhile."""

    def __init__(self, broker):
        self.broker, self._s = broker, 1000.0
        broker.stalled_workers = StalledWorkers(broker.client, broker.namespace, lambda: self._s)

    def fetched(self, queue, after_s=0.0, meanwhile=lambda: None):
        """What it has fetched of the queue when so many seconds have passed."""
        found = _fetched(self.broker, queue)
        until_s = self._s + after_s
        while self._s < until_s:
            self._s += 2.0
            meanwhile()
            found += _fetched(self.broker, queue)
        return found


@pytest.fixture(params=[QUEUE, f"{QUEUE}.DQ"])
def queue(request):
    return request.param


@pytest.fixture
def holder(broker, redis_url, queue):
    """A worker that holds a message of the queue."""
    made = Broker(redis_url)
    with closing(made.client):
        broker.send([_batch(1 if queue == QUEUE else int(time.time() * 1000) + 60_000)])
        made.held = _fetched(made, queue)
        assert len(made.held) == 1
        yield made


def test_it_comes_back_when_the_worker_was_silent_for_long(broker, holder, queue):
    # given somebody who looks
    waiting = Waiting(broker)
    # when the worker is silent
    assert waiting.fetched(queue, after_s=STALLED_AFTER_S - 2) == []
    # then
    assert waiting.fetched(queue, after_s=4) == holder.held
    # and that is all there was of it
    assert waiting.fetched(queue, after_s=STALLED_AFTER_S + 2) == []
    heartbeats = broker.client.zrange(f"{broker.namespace}:__heartbeats__", 0, -1)
    assert heartbeats == [broker.broker_id.encode()]


def test_who_is_not_silent_keeps_what_it_has(broker, holder, queue):
    waiting = Waiting(broker)
    assert waiting.fetched(queue, STALLED_AFTER_S * 3, lambda: _fetched(holder, "incidents")) == []


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
@pytest.mark.parametrize("first", ["who looks", "who holds"])
def test_nobody_is_taken_for_dead_because_the_clock_was_stepped(
    broker, holder, queue, monkeypatch, step_ms, first
):
    # given
    waiting = Waiting(broker)
    assert waiting.fetched(queue, after_s=4) == []
    # when the clock is stepped, and one of the two hears of it
    hears = broker if first == "who looks" else holder
    monkeypatch.setattr(hears, "now_ms", lambda: int(time.time() * 1000) + step_ms)
    # then
    assert waiting.fetched(queue, STALLED_AFTER_S * 2, lambda: _fetched(holder, "incidents")) == []


def test_who_died_while_the_clock_was_ahead_is_missed_as_ever(broker, holder, queue, monkeypatch):
    # given a heartbeat from an hour that comes yet
    monkeypatch.setattr(holder, "now_ms", lambda: int(time.time() * 1000) + HOUR_MS)
    _fetched(holder, queue)
    # then
    assert Waiting(broker).fetched(queue, after_s=STALLED_AFTER_S + 4) == holder.held


def test_one_that_is_heard_again_before_it_is_marked_is_not_dead(broker, holder, queue):
    # given somebody who has seen it be silent for long
    waiting = Waiting(broker)
    read = broker.client.zrange
    waiting.fetched(queue, after_s=STALLED_AFTER_S - 2)

    def read_and_be_late(*args, **options):
        found = read(*args, **options)
        _fetched(holder, "incidents")
        return found

    # when it is heard the moment after
    broker.client.zrange = read_and_be_late
    # then
    assert waiting.fetched(queue, after_s=STALLED_AFTER_S) == []


def test_who_is_told_to_end_takes_no_more_and_is_not_taken_for_dead(broker, redis_url):
    # given a worker that has a message
    ends = Broker(redis_url)
    with closing(ends.client):
        broker.send([_batch(1)])
        assert len(_fetched(ends, QUEUE)) == 1
        # when it is told to end, and still looks
        ends.emit_before("worker_shutdown", None)
        broker.send([_batch(2)])
        # then it takes nothing
        assert _fetched(ends, QUEUE) == []
        # and another takes what came, and not what it has
        taken = Waiting(broker).fetched(QUEUE, STALLED_AFTER_S * 2, lambda: _fetched(ends, QUEUE))
        assert len(taken) == 1
