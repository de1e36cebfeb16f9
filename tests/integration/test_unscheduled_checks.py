"""Checks out of turn do not wait behind the batches of a region that has more to do than it can."""

import os
import subprocess
import sys
import time
from uuid import uuid4

import dramatiq

from monitor.domain import messages
from monitor.runtime.settings import TABLE
from support.factories import batch_message, recheck_message

QUEUE = "checks.europe"


def _batch(slot_ms=1):
    batch = batch_message(interval_s=60, hi=1, slot_ms=slot_ms)
    return messages.check_batch(batch)


def _suspects(slot_ms=1):
    suspects = recheck_message([uuid4()], slot_ms=slot_ms)
    return messages.check_websites(suspects)


def _fetched(broker, queue=QUEUE):
    return [dramatiq.Message.decode(data) for data in broker.do_fetch(queue, 16)]


def test_unscheduled_checks_are_fetched_before_waiting_batches(broker):
    # given
    broker.send([_batch(1), _batch(2)])
    # when
    broker.send([_suspects()])
    # then
    fetched = _fetched(broker)
    assert [m.actor_name for m in fetched] == ["check_websites", "check_batch", "check_batch"]
    slots = [m.kwargs["payload"]["slot_ms"] for m in fetched[1:]]
    assert slots == [1, 2]


def test_a_due_recheck_is_fetched_before_waiting_batches(broker):
    # given one that was sent for later
    broker.send([_suspects(int(time.time() * 1000) + 60_000)])
    (later,) = _fetched(broker, f"{QUEUE}.DQ")
    broker.send([_batch()])
    # when its time has come: what Dramatiq's worker does then
    broker.enqueue(later.copy(queue_name=QUEUE))
    # then
    assert [m.actor_name for m in _fetched(broker)] == ["check_websites", "check_batch"]


def test_it_is_acknowledged_like_any_other(broker):
    # given
    broker.send([_suspects(), _batch()])
    fetched = _fetched(broker)
    # when
    for message in fetched:
        broker.do_ack(QUEUE, message.options["redis_message_id"])
    # then
    assert broker.backlog(QUEUE) == 0


def test_a_worker_takes_it_before_the_batches_that_it_has_fetched(redis_url):
    # given a worker of a region, as Dramatiq loads it
    settings = {
        "REDIS_URL": redis_url, "MONITOR_REGION": "europe", "INFLUXDB_URL": "http://127.0.0.1:1",
    }  # fmt: skip
    # when
    asked = (
        "from monitor.actors import broker; a = broker.actors;"
        "print(a['check_websites'].priority < a['check_batch'].priority)"
    )
    environment = dict(os.environ) | {s.name: "" for s in TABLE} | settings
    said = subprocess.check_output([sys.executable, "-P", "-c", asked], env=environment, text=True)
    # then
    assert said.splitlines()[-1] == "True"
