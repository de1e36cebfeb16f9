"""A pooled connection to Redis that died costs nobody a command, however it died."""

import asyncio
import time
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from monitor.domain import messages
from monitor.domain.errors import NoRoom, Unavailable
from monitor.domain.messages import SYNC_QUEUE
from monitor.queue.broker import Broker
from monitor.storage.redis import client as redis_client
from monitor.storage.redis.client import make_client, make_queue_client, translated
from support.breakable import lose_disk, start_redis
from support.gate import Gate
from support.targets_loops import on_both_loops


@asynccontextmanager
async def _client(redis_url):
    """A client with several connections, and the way that they take."""
    url = urlsplit(redis_url)
    with Gate(url.port) as gate:
        netloc = url.netloc.replace(str(url.port), str(gate.port))
        client = make_client(url._replace(netloc=netloc).geturl())
        try:
            await asyncio.gather(*(client.ping() for _ in range(3)))
            yield client, gate
        finally:
            await client.aclose()


@on_both_loops
@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_that_broke_while_idle_is_opened_anew(redis_url, reset):
    async with _client(redis_url) as (client, gate):
        # given
        gate.cut(reset=reset)
        gate.open()
        await asyncio.sleep(0.1)  # its end arrives here
        # then
        for _ in range(3):
            assert await client.incr("n")
        assert await client.get("n") == b"3"


async def test_a_connection_that_died_without_a_word_is_opened_anew(redis_url, monkeypatch):
    monkeypatch.setattr(redis_client, "_ASK_AFTER_IDLE_S", 0.0)
    monkeypatch.setattr(redis_client, "_PONG_WITHIN_S", 0.1)
    async with _client(redis_url) as (client, gate):
        # given
        gate.vanish()
        # then
        assert await client.incr("n") == 1


@pytest.mark.parametrize("reset", [False, True])
def test_a_queue_whose_connections_broke_takes_the_next_message(redis_url, reset):
    url = urlsplit(redis_url)
    with Gate(url.port) as gate:
        netloc = url.netloc.replace(str(url.port), str(gate.port))
        broker = Broker(url._replace(netloc=netloc).geturl())
        try:
            # given
            broker.send([messages.sync_changes()])
            gate.cut(reset=reset)
            gate.open()
            time.sleep(0.1)  # its end arrives here
            # then
            broker.send([messages.sync_changes()])
            assert broker.backlog(SYNC_QUEUE) == 2
        finally:
            broker.close()
            broker.client.close()


async def test_a_connection_in_use_is_not_asked(redis_url):
    async with _client(redis_url) as (client, _):
        before = (await client.info("commandstats"))["cmdstat_ping"]["calls"]
        for _ in range(20):
            await client.incr("n")
        assert (await client.info("commandstats"))["cmdstat_ping"]["calls"] == before


async def test_a_redis_that_is_away_is_unavailable():
    client = make_client("redis://127.0.0.1:1/0")
    with pytest.raises(Unavailable, match="redis"), translated():
        await client.ping()
    await client.aclose()


@pytest.fixture
def redis(servers_directory, tmp_path):
    server = start_redis(servers_directory / f"redis-{tmp_path.name}", tmp_path / "redis.log")
    yield server
    server.close()


async def test_every_client_reaches_a_redis_behind_a_unix_socket(redis):
    # given
    password = (redis.server.directory / "password").read_text()
    path = redis.server.directory / "s"
    redis.stop()
    redis.server.options |= {"unixsocket": str(path)}
    redis.start()
    url = f"unix://:{password}@{path}?db=0"
    # then
    client = make_client(url)
    assert await client.ping()
    await client.aclose()
    with make_queue_client(url) as sync:
        assert sync.ping()


async def test_a_redis_without_memory_says_so(redis):
    client = make_client(redis.url)
    await client.config_set("maxmemory", 1)
    with pytest.raises(NoRoom) as caught, translated():
        await client.set("a", 1)
    await client.aclose()
    assert caught.value.advice == (
        "redis can store nothing, because its memory (maxmemory) is full: make room there."
    )


async def test_a_redis_that_cannot_write_to_its_disk_says_so(redis):
    # given one whose directory is gone
    await asyncio.to_thread(lose_disk, redis)
    client = make_client(redis.url)
    with pytest.raises(NoRoom) as caught, translated():
        await client.set("a", 1)
    await client.aclose()
    assert caught.value.advice == (
        "redis can store nothing, because it cannot write to its disk, which is probably full: "
        "make room there."
    )
