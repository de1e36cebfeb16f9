"""The embedded servers start over any directory, keep their data, and recover from being killed."""

import os
import signal
import stat

import psycopg
import pytest
import redis

from monitor.domain.errors import MonitorError
from monitor.local.postgres import EmbeddedPostgres
from monitor.local.redis import EmbeddedRedis
from support.places import server_directory

NAMES = ["plain", "space & per%20cent?", 'with space, comma "quote" and ü', "long" * 30]


@pytest.fixture
def place():
    """A folder that PostgreSQL's user reaches."""
    with server_directory("monitor-servers-") as made:
        yield made


@pytest.fixture(params=NAMES)
def folder(request, place):
    made = place / request.param
    made.mkdir(mode=0o711)
    return made


def test_postgres_keeps_its_data(folder):
    # given
    first = EmbeddedPostgres(folder / "data")
    first.start()
    with psycopg.connect(first.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS x")
    first.stop()
    # when
    second = EmbeddedPostgres(folder / "data")
    second.start()
    # then
    try:
        with psycopg.connect(second.url()) as connection:
            assert connection.execute("SELECT x FROM kept").fetchone() == (42,)
    finally:
        second.stop()


def test_postgres_leaves_nothing_but_its_data(folder):
    # given
    server = EmbeddedPostgres(folder / "data")
    server.start()
    had = server.sockets.exists()
    # when
    server.stop(within_s=60)
    # then
    assert had
    assert not server.sockets.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["data", "data.log"]


def test_redis_keeps_its_data(folder):
    # given
    first = EmbeddedRedis(folder / "data")
    first.start()
    with redis.Redis.from_url(first.url) as client:
        client.set("kept", "42")
    first.stop()
    # when
    second = EmbeddedRedis(folder / "data")
    second.start()
    # then
    try:
        with redis.Redis.from_url(second.url) as client:
            assert client.get("kept") == b"42"
    finally:
        second.stop()


def test_redis_requires_its_password(tmp_path):
    # given
    server = EmbeddedRedis(tmp_path / "data")
    server.start()
    # then
    try:
        with (
            redis.Redis(port=server.port) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
        assert stat.S_IMODE((tmp_path / "data" / "password").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "data" / "redis.conf").stat().st_mode) == 0o600
    finally:
        server.stop()


def test_postgres_recovers_from_being_killed(place):
    # given
    server = EmbeddedPostgres(place / "data")
    server.start()
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS x")
    os.kill(server.child.pid, signal.SIGKILL)
    server.stop()
    # when
    again = EmbeddedPostgres(place / "data")
    again.start()
    # then
    try:
        with psycopg.connect(again.url()) as connection:
            assert connection.execute("SELECT x FROM kept").fetchone() == (42,)
    finally:
        again.stop()


def test_an_interrupted_initdb_is_repeated(place):
    # given: what a killed initdb leaves
    (place / "data-unfinished").mkdir()
    (place / "data-unfinished" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(place / "data")
    # when
    server.start()
    server.stop()
    # then
    assert (place / "data" / "PG_VERSION").exists()
    assert not (place / "data-unfinished").exists()


def test_a_postgres_that_cannot_start_names_its_log(place):
    # given
    server = EmbeddedPostgres(place / "data", {"shared_buffers": "nonsense"})
    # then
    try:
        with pytest.raises(MonitorError, match=r"did not start; its log is .*data\.log"):
            server.start()
    finally:
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a directory away needs root")
def test_another_users_socket_directory_is_refused(place):
    # given
    server = EmbeddedPostgres(place / "data")
    server.sockets.mkdir()
    os.chown(server.sockets, 12345, 12345)
    # then
    with pytest.raises(MonitorError, match="belongs to another user"):
        server.start()
