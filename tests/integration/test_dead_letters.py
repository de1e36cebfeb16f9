"""What no actor can make sense of, on each queue: put aside and logged, and the work goes on."""

import asyncio
import json
import os
import sys
import sysconfig
import time
from contextlib import contextmanager
from pathlib import Path

import dramatiq
import pytest
import redis as redis_client

from monitor.local import process
from monitor.queue.broker import Broker
from monitor.runtime.settings import TABLE
from support.stack import wait_until
from support.targets import targets_in_thread

_SCRIPTS = Path(sysconfig.get_path("scripts"))
_WORKER = ("dramatiq", "monitor.actors", "--skip-logging", "--processes", "1", "--threads", "2")

# Each queue, an actor of it that is given up at once, and what it cannot have meant.
_SENSELESS = [
    ("schedule", "emit_batches", {"payload": {"v": 1}}),
    ("incidents", "sweep_missed", {"minute": 5}),
    ("incidents", "record_flips", {"payload": None}),
    ("incidents", "record_flips", {"payload": {"v": 1, "flips": [{"website_id": "none"}]}}),
    ("notifications", "deliver", {"payload": {"v": 1, "notification_id": 5}}),
    ("upkeep", "write_kept_ticks", {"payload": []}),
    ("checks.europe", "check_batch", {"payload": {"v": 1, "region": "europe", "lo": "low"}}),
    ("checks.europe", "check_websites", {"payload": "text"}),
    ("checks.europe", "check_websites", {"payload": {"region": "europe", "website_ids": 7}}),
]
_QUEUES = {queue for queue, _, _ in _SENSELESS} | {"sync"}


@contextmanager
def _worker(log, **settings):
    environment = dict(os.environ) | {s.name: "" for s in TABLE} | settings
    command = [sys.executable, "-P", _SCRIPTS / _WORKER[0], *_WORKER[1:]]
    with log.open("wb") as file:
        child = process.start(command, log=file, env=environment, cwd=log.parent)
    try:
        yield child
    finally:
        process.stop(child, within_s=10)


@pytest.fixture
def workers(tmp_path, database_url, redis_url):
    """A central worker and one of the region europe; their logs."""
    shared = {
        "DATABASE_URL": database_url, "REDIS_URL": redis_url, "SMTP_HOST": "127.0.0.1",
        "SMTP_FROM": "monitor@example.com",
        "SMTP_PORT": "1", "ALERT_EMAIL_TO": "ops@example.com",
        "MONITOR_ALLOW_NETWORKS": "127.0.0.0/8",
    }  # fmt: skip
    logs = tmp_path / "central", tmp_path / "europe"
    with (
        _worker(logs[0], **shared) as central,
        _worker(logs[1], **shared, MONITOR_REGION="europe") as regional,
    ):
        yield logs
        assert (central.poll(), regional.poll()) == (None, None)


@pytest.fixture
def sender(redis_url):
    made = Broker(redis_url)
    yield made
    made.client.close()


def _events(*logs):
    lines = [line for log in logs for line in log.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


def _send(sender, queue, actor, kwargs):
    sender.enqueue(dramatiq.Message(queue, actor, (), kwargs, {}))


def _dead(client):
    return {queue: client.zcard(f"dramatiq:{queue}.XQ") for queue in _QUEUES}


async def test_each_queue_puts_the_senseless_aside_and_works_on(workers, sender, world, redis_url):
    with targets_in_thread() as target, redis_client.Redis.from_url(redis_url) as client:
        world.now_s = time.time()
        await world.add_region("europe")
        website = await world.add_website(target.url)
        await world.sync()
        # when
        expected = dict.fromkeys(_QUEUES, 1)
        for queue in _QUEUES:
            client.hset(f"dramatiq:{queue}.msgs", "bytes", b"\xff\x00 are no message")
            client.rpush(f"dramatiq:{queue}", "bytes")
        for queue, actor, kwargs in _SENSELESS:
            _send(sender, queue, actor, kwargs)
            expected[queue] += 1
        wait_until(lambda: _dead(client) == expected, within_s=60)
        # then each is in the log
        events = [event["event"] for event in _events(*workers)]
        assert events.count("message.unreadable") == len(_QUEUES)
        assert events.count("message.refused") == 6
        # and messages of an older version, which had no ``v``, are understood as ever
        now_s = int(time.time())
        flip = {"website_id": str(website), "region": "europe", "verdict": "down", "at_s": now_s,
                "slot_s": now_s + 15, "reason": "http_status"}  # fmt: skip
        check = {"region": "europe", "website_ids": [str(website)], "slot_ms": now_s * 1000}
        _send(sender, "incidents", "record_flips", {"payload": {"flips": [flip]}})
        _send(sender, "checks.europe", "check_websites", {"payload": check})
        wait_until(lambda: target.accepted, within_s=20)
        async with asyncio.timeout(20):
            while not await world.incidents(website):  # noqa: ASYNC110 - another process opens it
                await asyncio.sleep(0.1)
        assert _dead(client) == expected
        # and no consumer had to begin anew
        assert not [e for e in _events(*workers) if e.get("level") == "critical"]
