"""Redis dies, is full, and comes back: what was fetched, delayed or about to be sent stays."""

import socket
import threading
import time

import dramatiq
import pytest

from monitor.domain import messages
from monitor.queue.broker import Broker
from support.breakable import start_redis
from support.factories import recheck_message
from support.products import running, until, worker

QUEUE = "checks.europe"


@pytest.fixture
def redis(servers_directory, tmp_path):
    server = start_redis(servers_directory / f"redis-{tmp_path.name}", tmp_path / "redis.log")
    yield server
    server.close()


@pytest.fixture
def broker(redis):
    made = Broker(redis.url)
    yield made
    made.client.close()


def _checks(*in_s):
    """Messages that check nothing, at so many seconds from now."""
    return [
        messages.check_websites(recheck_message([], slot_ms=int((time.time() + later_s) * 1000)))
        for later_s in in_s
    ]


def _left(client):
    return sum(client.hlen(f"dramatiq:{QUEUE}{kind}.msgs") for kind in ("", ".DQ"))


def _taken(client, broker_id="*"):
    """How many messages workers hold."""
    found = client.keys(f"dramatiq:__acks__.{broker_id}.{QUEUE}*")
    return sum(client.scard(name) for name in found)


def _region_worker(redis, directory):
    return running(
        worker(), directory / "log", REDIS_URL=redis.url, MONITOR_REGION="europe",
        INFLUXDB_URL="http://127.0.0.1:1",
    )  # fmt: skip


def test_delayed_messages_outlive_a_restart_in_the_hands_of_their_worker(redis, broker, tmp_path):
    with redis.client() as client, _region_worker(redis, tmp_path):
        # given messages that a worker has taken and that are not due
        until(lambda: client.hlen("monitor:workers") == 1)
        broker.send(_checks(5, 6, 7))
        until(lambda: _taken(client) == 3)
        # when
        redis.kill()
        redis.start()
        # then the same worker sees to them
        until(lambda: _left(client) == 0, within_s=60)
        assert _taken(client) == 0


def test_a_worker_tells_of_an_outage_in_lines_not_in_tracebacks(redis, broker, tmp_path):
    log = tmp_path / "log"
    with redis.client() as client, _region_worker(redis, tmp_path):
        until(lambda: client.hlen("monitor:workers") == 1)
        broker.send(_checks(4, 5))
        until(lambda: _taken(client) == 2)
        # when Redis is away for as long as anything takes to notice
        redis.kill()
        until(lambda: "heartbeat" in log.read_text() and "queue.lost" in log.read_text())
        redis.start()
        until(lambda: _left(client) == 0)
    # then
    assert "Traceback" not in log.read_text()


def test_worker_survives_a_redis_that_refuses_writes(redis, broker, tmp_path):
    with redis.client() as client, _region_worker(redis, tmp_path):
        # given
        until(lambda: client.hlen("monitor:workers") == 1)
        broker.send(_checks(3, 4, 60))
        until(lambda: _taken(client) == 3)
        # when no write goes through at the time that some are due
        client.config_set("maxmemory", 1)
        until(lambda: "queue.lost" in (tmp_path / "log").read_text(), within_s=30)
        assert "redis: OOM, it has reached its maxmemory" in (tmp_path / "log").read_text()
        time.sleep(4)  # their time passes
        client.config_set("maxmemory", 0)
        # then
        until(lambda: _left(client) == 1, within_s=60)


def test_fetched_but_undelivered_messages_are_requeued(redis, broker):
    # given an answer to a fetch that was lost on its way
    broker.send(_checks(-1, -1))
    consumer = broker.consume(QUEUE, prefetch=10)
    assert len(broker.do_fetch(QUEUE, 1)) == 1
    held = next(consumer)
    assert next(consumer) is None
    # when the consumer learns that something was wrong
    redis.kill()
    assert next(consumer) is None
    redis.start()
    # then it gets what was lost, and what it has stays its own
    again = next(consumer)
    assert again.message_id != held.message_id
    assert next(consumer) is None
    with redis.client() as client:
        assert _taken(client, broker.broker_id) == 2
        consumer.ack(held)
        consumer.ack(again)
        assert _left(client) == 0


def test_what_is_about_to_be_queued_waits_for_redis(redis, broker):
    # given
    queued = threading.Event()

    def enqueue():
        broker.enqueue(dramatiq.Message(QUEUE, "check_websites", (), {"payload": {}}, {}))
        queued.set()

    redis.kill()
    thread = threading.Thread(target=enqueue)
    thread.start()
    # when
    assert not queued.wait(2)
    redis.start()
    # then
    assert queued.wait(30)
    thread.join()
    with redis.client() as client:
        assert _left(client) == 1


def test_scheduler_survives_a_redis_outage(redis, tmp_path):
    # given
    redis.kill()
    log = tmp_path / "log"
    with running(("periodiq", "monitor.actors"), log, REDIS_URL=redis.url) as child:
        until(lambda: "queue.waiting_for_redis" in log.read_text(), within_s=90)
        # when
        redis.start()
        # then the work of the minute is given out
        with redis.client() as client:
            until(lambda: client.hlen("dramatiq:schedule.msgs") == 1, within_s=30)
        assert child.poll() is None


def test_vanished_host_is_detected_soon(broker):
    broker.client.ping()
    connection = broker.client.connection_pool.get_connection()
    try:
        found = connection._sock.getsockopt
        assert found(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle_s = found(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        probes_s = found(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) * found(
            socket.IPPROTO_TCP, socket.TCP_KEEPCNT
        )
        assert idle_s + probes_s <= 30
        assert 0 < found(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 30_000
    finally:
        broker.client.connection_pool.release(connection)
