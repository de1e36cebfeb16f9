"""A connection to Postgres gives up on a server that says nothing, and on no other."""

import asyncio
import time

import psycopg
import pytest

from monitor.domain.errors import Locked, OutcomeUnknown, Unavailable
from monitor.storage.postgres import connection as watched
from monitor.storage.postgres.pool import atomic, make_pool, session, transaction
from support.breakable import start_postgres


@pytest.fixture(scope="module")
def server(servers_directory):
    directory = servers_directory / "silent-postgres"
    directory.mkdir()
    started = start_postgres(None, directory, directory.with_suffix(".log"))
    yield started
    started.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """A server is asked after 0.1 s whether it is there, and has 3 s to say so."""
    monkeypatch.setattr(watched, "ASK_AFTER_S", 0.1)
    monkeypatch.setattr(watched, "ANSWER_WITHIN_S", 3.0)


@pytest.fixture
async def pool(server):
    async with make_pool(server.url, max_size=2) as opened:
        yield opened


async def test_a_long_query_of_a_server_that_answers_others_goes_on(pool):
    async with session(pool) as connection:
        cursor = await connection.execute("SELECT pg_sleep(1), 5")
        assert (await cursor.fetchone())[1] == 5


async def test_a_server_that_says_nothing_is_given_up(pool, server):
    # given
    async with session(pool) as connection:
        await connection.execute("SELECT 1")
    # when
    server.pause()
    try:
        with pytest.raises(Unavailable, match="ServerSilent"):
            async with session(pool) as connection:
                await connection.execute("SELECT 1")
    finally:
        server.resume()
    # then that connection is not used again
    assert connection.closed
    async with session(pool) as again:
        assert again is not connection
        await again.execute("SELECT 1")


async def test_a_server_that_takes_no_more_connections_is_there(pool, server):
    # given
    url = server.server.url("postgres")
    superuser = await psycopg.AsyncConnection.connect(url, autocommit=True)
    try:
        async with session(pool) as connection:
            await superuser.execute("ALTER DATABASE monitor ALLOW_CONNECTIONS false")
            # when
            cursor = await connection.execute("SELECT pg_sleep(1), 5")
            # then
            assert (await cursor.fetchone())[1] == 5
    finally:
        await superuser.execute("ALTER DATABASE monitor ALLOW_CONNECTIONS true")
        await superuser.close()


async def test_a_cancelled_query_is_not_waited_for(pool, server):
    # given
    async with session(pool) as connection:
        await connection.execute("SELECT 1")
    server.pause()
    began_s = time.monotonic()
    try:
        # when
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), session(pool) as connection:
                await connection.execute("SELECT 1")
        # then
        assert time.monotonic() - began_s < 3
        assert connection.closed
    finally:
        server.resume()


async def test_the_server_ends_a_cancelled_query(pool, server):
    # when
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), session(pool) as connection:
            await connection.execute("SELECT pg_sleep(3600)")
    # then
    query = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%3600)' AND state = 'active'"
    async with asyncio.timeout(10), session(pool) as connection:
        while await (await connection.execute(query)).fetchone():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)


async def test_a_pool_of_a_hung_server_closes(server):
    pool = make_pool(server.url, max_size=2)
    await pool.open()
    async with session(pool) as connection:
        await connection.execute("SELECT 1")
    server.pause()
    began_s = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), session(pool) as connection:
                await connection.execute("SELECT 1")
        # when it is about to connect anew
        await pool.close(timeout=1)
        # then
        assert time.monotonic() - began_s < 5
    finally:
        server.resume()


async def test_a_lock_is_told_from_an_outage(server):
    async with (
        make_pool(server.url, max_size=2, lock_timeout_s=0.1) as pool,
        transaction(pool) as holder,
    ):
        await holder.execute("SELECT pg_advisory_xact_lock(1)")
        # when
        with pytest.raises(Locked) as caught:
            async with transaction(pool) as connection:
                await connection.execute("SELECT pg_advisory_xact_lock(1)")
    # then
    assert "another change" in caught.value.advice.lower()


async def test_a_connection_that_breaks_at_commit_leaves_the_outcome_unknown(server, pool):
    async with session(pool) as connection:
        with pytest.raises(OutcomeUnknown):
            await _commit_after_the_end(connection, server)


async def _commit_after_the_end(connection, server):
    async with atomic(connection):
        await connection.execute("SELECT 1")
        pid = connection.info.backend_pid
        await asyncio.to_thread(server.rows, "SELECT pg_terminate_backend(%s, 5000)", pid)


async def test_a_commit_that_is_refused_is_known_not_to_be_stored(pool):
    async with session(pool) as connection:
        # given a constraint that is only checked at the end
        await connection.execute("CREATE TEMP TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        # when
        with pytest.raises(psycopg.errors.UniqueViolation):
            await _insert_twice(connection)


async def _insert_twice(connection):
    async with atomic(connection):
        await connection.execute("INSERT INTO t VALUES (1), (1)")
