"""What is on a queue and is no message at all."""

import json
import time

import pytest
from structlog.testing import capture_logs

from monitor.domain import messages
from support.factories import recheck_message

QUEUE = "checks.europe"


def _put(client, queue, message_id, data):
    client.hset(f"dramatiq:{queue}.msgs", message_id, data)
    client.rpush(f"dramatiq:{queue}", message_id)


@pytest.mark.parametrize("queue", [QUEUE, f"{QUEUE}.DQ", "incidents", "sync"])
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\x00",
        b"{",
        b"[]",
        b"null",
        b"{}",
        (
            b'{"queue_name": "q", "actor_name": "a", "args": [], "kwargs": {}, "options": {}, '
            b'"message_id": "x", "message_timestamp": 1}'
        ),
        (
            b'{"queue_name": "q", "actor_name": "a", "args": [], "kwargs": {}, "options": [], '
            b'"message_id": "x", "message_timestamp": 1, "from": "elsewhere"}'
        ),
    ],
)
def test_malformed_message_is_dead_lettered_and_others_are_delivered(client, broker, queue, data):
    # given
    _put(client, queue, "bad", data)
    good = json.dumps({
        "queue_name": queue, "actor_name": "a", "args": [], "kwargs": {}, "message_id": "m",
        "message_timestamp": 1, "options": {"redis_message_id": "good"},
    })  # fmt: skip
    _put(client, queue, "good", good)
    consumer = broker.consume(queue, prefetch=10)
    # when
    with capture_logs() as lines:
        found = next(consumer)
    # then
    assert found.message_id == "m"
    dead = queue.removesuffix(".DQ")
    assert client.hgetall(f"dramatiq:{dead}.XQ.msgs") == {b"bad": data}
    assert client.zcard(f"dramatiq:{dead}.XQ") == 1
    assert client.hkeys(f"dramatiq:{queue}.msgs") == [b"good"]
    assert client.smembers(f"dramatiq:__acks__.{broker.broker_id}.{queue}") == {b"good"}
    assert [(x["event"], x["queue"], x["size"]) for x in lines] == [
        ("message.unreadable", queue, len(data))
    ]


def test_our_own_messages_are_messages(client, broker):
    # given
    check = recheck_message([], slot_ms=int(time.time() * 1000))
    broker.send([messages.check_websites(check)])
    # when
    found = next(broker.consume(QUEUE, prefetch=10))
    # then
    assert found.actor_name == "check_websites"
    assert client.zcard(f"dramatiq:{QUEUE}.XQ") == 0
