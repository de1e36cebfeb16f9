"""A message of a newer version is handed on to a worker that can read it, and not lost."""

import json
import time

import dramatiq
import pytest
from structlog.testing import capture_logs

QUEUE = "checks.europe"
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def broker(broker):
    """One that has an actor for checks out of turn."""
    dramatiq.actor(print, broker=broker, actor_name="check_websites", queue_name=QUEUE)
    return broker


def _send(broker, actor="check_websites", v=2, **options):
    payload = {"v": v, "region": "europe", "website_ids": [], "slot_ms": 1}
    message = dramatiq.Message(QUEUE, actor, (), {"payload": payload}, options)
    broker.enqueue(message)


def _stored(client, queue):
    return [json.loads(data) for data in client.hvals(f"dramatiq:{queue}.msgs")]


@pytest.mark.parametrize("what", [{"v": 2}, {"actor": "check_certificates", "v": 1}])
def test_it_waits_a_second_for_another_worker(client, broker, what):
    # given
    _send(broker, **what)
    _send(broker, v=1)
    # when
    with capture_logs() as lines:
        found = next(broker.consume(QUEUE, prefetch=10))
    # then the one that is understood is delivered
    assert found.kwargs["payload"]["v"] == 1
    assert [m["kwargs"]["payload"]["v"] for m in _stored(client, QUEUE)] == [1]
    assert client.scard(f"dramatiq:__acks__.{broker.broker_id}.{QUEUE}") == 1
    # and the other one is queued again, as it was
    (waiting,) = _stored(client, f"{QUEUE}.DQ")
    assert waiting["actor_name"] == what.get("actor", "check_websites")
    assert waiting["kwargs"]["payload"]["v"] == what["v"]
    assert 0 < waiting["options"]["eta"] - time.time() * 1000 <= 1000
    assert [line["event"] for line in lines] == ["message.forwarded"]
    assert client.zcard(f"dramatiq:{QUEUE}.XQ") == 0


def test_it_is_handed_on_for_a_day_and_then_put_aside(client, broker):
    now_ms = int(time.time() * 1000)
    for since_ms in (now_ms - DAY_MS + 60_000, now_ms - DAY_MS - 60_000):
        _send(broker, handed_on_since_ms=since_ms)
    # when
    with capture_logs() as lines:
        assert next(broker.consume(QUEUE, prefetch=10)) is None
    # then the day counts from when it was first handed on
    (waiting,) = _stored(client, f"{QUEUE}.DQ")
    assert waiting["options"]["handed_on_since_ms"] == now_ms - DAY_MS + 60_000
    assert len(_stored(client, f"{QUEUE}.XQ")) == 1
    assert {line["event"] for line in lines} == {"message.forwarded", "message.given_up"}


def test_fields_that_are_not_known_are_no_newer_version(broker):
    payload = {"v": 1, "region": "europe", "website_ids": [], "slot_ms": 1, "hint": "new"}
    broker.enqueue(dramatiq.Message(QUEUE, "check_websites", (), {"payload": payload}, {}))
    assert next(broker.consume(QUEUE, prefetch=10)).kwargs["payload"] == payload
