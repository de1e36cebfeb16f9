"""A store that has no room left is not told as one that does not answer."""

import asyncio

import pytest

from monitor.api.server import _directories
from monitor.domain.errors import NoRoom
from monitor.runtime.disk import fullness
from monitor.runtime.settings import load
from monitor.services.websites import manage
from monitor.storage.postgres.pool import make_pool, session
from support.api import assert_problem, running
from support.breakable import lose_disk, start_redis
from support.factories import website_body


@pytest.fixture
def redis(servers_directory, tmp_path):
    server = start_redis(servers_directory / f"redis-{tmp_path.name}", tmp_path / "redis.log")
    yield server
    server.close()


async def test_readyz_says_that_the_disk_is_full_and_how_full(database_url, redis, tmp_path):
    # given a Redis that cannot write, whose data are on this machine
    async with running(database_url, redis.url, directories={"redis": tmp_path}) as api:
        await asyncio.to_thread(lose_disk, redis)
        # when
        answer = await api.client(None).get("/readyz")
    # then
    problem = assert_problem(answer)
    assert problem["checks"]["redis"] == "unavailable"
    begin, _, figures = problem["detail"].partition(" There, ")
    assert begin == (
        "These dependencies are unavailable: redis. redis can store nothing, because it cannot "
        "write to its disk, which is probably full: make room there."
    )
    assert "% of" in figures
    assert "MB are left" in figures


async def test_a_full_disk_of_postgres_is_told_as_such(database_url):
    async with make_pool(database_url, max_size=1) as pool:
        with pytest.raises(NoRoom, match="53100"):
            async with session(pool) as connection:
                await connection.execute(
                    "DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$"
                )


async def test_a_change_that_finds_the_disk_full_says_so(
    database_url, redis_url, tmp_path, monkeypatch
):
    async def full(*_):
        raise NoRoom("postgres", "DiskFull (53100)", "its disk is full")

    monkeypatch.setattr(manage, "create", full)
    async with running(database_url, redis_url, directories={"postgres": tmp_path}) as api:
        answer = await api.request("POST", "/websites", json=website_body(), expect=503)
    assert answer.json()["code"] == "unavailable"
    assert answer.json()["detail"].startswith(
        "postgres can store nothing, because its disk is full: make room there. There, "
    )


def test_the_disk_is_known_beside_a_stack_and_nowhere_else(redis, tmp_path):
    # given the directory of a stack
    password = (redis.server.directory / "password").read_text()
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "password").write_text(password)
    settings = {"MONITOR_DATA_DIR": str(tmp_path)}
    nothing = tmp_path / ".env"
    # then
    known = _directories(load(settings | {"REDIS_URL": redis.url}, nothing))
    assert known == {"redis": tmp_path / "redis", "postgres": tmp_path / "postgres"}
    elsewhere = {"REDIS_URL": "redis://:secret@redis.example:6379/0"}
    assert _directories(load(settings | elsewhere, nothing)) == {}
    assert _directories(load(elsewhere | {"MONITOR_DATA_DIR": "/nowhere"}, nothing)) == {}


def test_a_disk_that_cannot_be_read_has_no_figures(tmp_path):
    assert fullness(tmp_path / "missing") is None
    assert fullness(tmp_path) is not None
