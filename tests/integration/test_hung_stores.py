"""Stores that hang, as a stopped process does: connections stand, and nothing answers."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest

from monitor.domain.access import Role
from monitor.storage.postgres import connection as postgres_connection
from monitor.storage.postgres.migrations import migrate
from support.api import running
from support.breakable import start_postgres, start_redis
from support.bulk import send, sites
from support.databases import forget_websites
from support.products import until
from support.served_api import served

DEADLINE_S = 2.0
LATE_S = 3.0
"""What a busy machine may add; a server that hangs adds minutes."""

MORE_THAN_ANY_POOL = 12

READS = ["/regions", "/websites", "/websites/{id}", "/monitor", "/monitor/{id}?days=1", "/audit"]


@pytest.fixture(scope="module")
def postgres(servers_directory):
    """A server of this module's own, to be stopped."""
    directory = servers_directory / "hung-postgres"
    directory.mkdir()
    server = start_postgres(None, directory, directory.with_suffix(".log"))
    migrate(server.url)
    yield server
    server.close()


@pytest.fixture(scope="module")
def redis(servers_directory):
    directory = servers_directory / "hung-redis"
    server = start_redis(directory, directory.with_suffix(".log"))
    yield server
    server.close()


@pytest.fixture
async def api(postgres, redis):
    await asyncio.to_thread(_forget, postgres)
    async with running(postgres.url, redis.url, deadline_s=DEADLINE_S) as opened:
        await opened.add_regions("europe")
        for role in Role:
            await opened.request("GET", "/regions", role=role)  # the key is known now
        yield opened


def _forget(postgres):
    forget_websites(postgres.url)
    postgres.rows("WITH k AS (DELETE FROM api_keys RETURNING 1) SELECT count(*) FROM k")
    postgres.rows("WITH r AS (DELETE FROM regions RETURNING 1) SELECT count(*) FROM r")


@asynccontextmanager
async def _hanging(server):
    """Stopped in a block, on whose end it goes on where it was."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


async def _timed(request):
    began_s = time.monotonic()
    answer = await request
    return answer, time.monotonic() - began_s


async def _asked_of_a_hung(server, requests):
    """The answers to all requests, none of which takes longer than it may."""
    async with _hanging(server):
        answers = await asyncio.gather(*(_timed(request) for request in requests))
    for answer, took_s in answers:
        assert took_s < DEADLINE_S + LATE_S, answer.request.url
    return [answer for answer, _ in answers]


async def test_a_hung_postgres_holds_no_request_beyond_its_deadline(api, postgres):
    # given
    website = await api.add_website()
    changes = [
        api.request("PATCH", f"/websites/{website['id']}", json={"check_frequency": 300}),
        api.request("POST", "/websites", json={"url": "https://example.com/"}),
        api.request("DELETE", f"/websites/{website['id']}"),
        api.request("POST", "/regions", json={"name": "asia"}),
    ]
    reads = [api.request("GET", path.format(**website)) for path in READS]
    # when
    answers = await _asked_of_a_hung(postgres, [*reads, *changes])
    # then each says so, and names it
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.json()["detail"] == "postgres did not answer within 2 s; try again soon."
        assert answer.headers["retry-after"] == "5"
    # and once it goes on, everything works as if nothing had been, with nothing done by half
    assert (await api.get(f"/websites/{website['id']}"))["check_frequency"] == 180
    assert len((await api.get("/websites"))["items"]) == 1
    for path in READS:
        await api.get(path.format(**website))
    await api.add_website()


async def test_more_requests_than_connections_end_in_time_and_work_again(api, postgres):
    # when
    many = [api.request("GET", "/regions") for _ in range(MORE_THAN_ANY_POOL)]
    answers = await _asked_of_a_hung(postgres, many)
    # then
    assert [a.status_code for a in answers] == [503] * MORE_THAN_ANY_POOL
    answers = await asyncio.gather(
        *(api.request("GET", "/regions") for _ in range(MORE_THAN_ANY_POOL))
    )
    assert [a.status_code for a in answers] == [200] * MORE_THAN_ANY_POOL


@pytest.mark.parametrize("name", ["postgres", "redis"])
async def test_readyz_says_soon_which_store_hangs(api, name, request):
    # when
    server = request.getfixturevalue(name)
    async with _hanging(server):
        ready, took_s = await _timed(api.client(None).get("/readyz"))
        health, _ = await _timed(api.client(None).get("/healthz"))
    # then, within its own bound of 2 s, and not that of every request
    assert took_s < 2 + LATE_S
    assert health.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["checks"][name] == "unavailable"
    assert name in ready.json()["detail"]
    assert (await api.client(None).get("/readyz")).status_code == 200


@pytest.mark.parametrize("name", ["postgres", "redis"])
async def test_metrics_show_what_does_answer(postgres, redis, name):
    # given
    server = {"postgres": postgres, "redis": redis}[name]
    async with running(postgres.url, redis.url) as api:
        await api.request("GET", "/regions")
        # when
        async with _hanging(server):
            answer, took_s = await _timed(api.request("GET", "/metrics", expect=200))
    # then
    assert took_s < 4 + LATE_S
    for store in ("postgres", "redis"):
        assert f'monitor_store_up{{store="{store}"}} {float(store != name)}' in answer.text


async def test_a_hung_redis_holds_no_request_beyond_its_deadline(api, redis):
    await api.add_website()
    reads = [api.request("GET", path) for path in ("/monitor", "/websites?status=up")]
    # when
    answers = await _asked_of_a_hung(redis, reads)
    # then
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.json()["detail"].startswith("redis ")
    await api.get("/monitor")


async def test_an_import_ends_soon_after_postgres_hangs_and_continues(api, postgres, monkeypatch):
    _asks_soon(monkeypatch)
    body, hung = sites(2500), asyncio.Event()

    async def blocks():
        yield body[: len(body) // 2]
        postgres.pause()
        hung.set()
        yield body[len(body) // 2 :]

    # when it hangs in the middle
    sending = asyncio.create_task(_timed(send(api, blocks(), key="k", expect=503)))
    try:
        await hung.wait()
        problem, took_s = await sending
    finally:
        postgres.resume()
    # then
    assert took_s < 2 * DEADLINE_S + LATE_S
    assert problem["code"] in {"unavailable", "outcome_unknown"}
    assert "postgres" in problem["detail"]
    done = await _continued(api, body)
    assert (done["created"], done["failed"]) == (2500, 0)
    assert await api.rows("SELECT count(*) FROM websites") == [(2500,)]


async def _continued(api, body):
    """The import sent again, once the server has noticed that the first connection is gone."""
    while True:
        answer = await api.request(
            "POST", "/websites/bulk", content=body,
            headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": "k"},
        )  # fmt: skip
        if answer.status_code != 409:
            return answer.json()
        await asyncio.sleep(0.05)


def _asks_soon(monkeypatch):
    """A server is asked after 0.2 s whether it is there, and has 3 s to say so."""
    monkeypatch.setattr(postgres_connection, "ASK_AFTER_S", 0.2)
    monkeypatch.setattr(postgres_connection, "ANSWER_WITHIN_S", 3.0)


async def test_changes_of_many_websites_wait_as_long_as_the_store_is_heard_of(
    api, postgres, monkeypatch
):
    # given changes that take longer than other requests may, because of a lock
    _asks_soon(monkeypatch)
    await api.add_website()
    query = {"all": "true", "confirm": 1}
    async with api.pool.connection() as other, other.transaction():
        await other.execute("SELECT 1 FROM websites FOR UPDATE")
        changing = asyncio.create_task(
            api.request("PATCH", "/websites", params=query, json={"paused": True})
        )
        await asyncio.sleep(DEADLINE_S + 1)
        assert not changing.done()
    # then
    assert (await changing).json() == {"matched": 1, "changed": 1}
    # but not from a store that is not heard of
    async with _hanging(postgres):
        answer, took_s = await _timed(api.request("DELETE", "/websites", params=query))
    assert took_s < 3.2 + LATE_S
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert len((await api.get("/websites"))["items"]) == 1


async def test_a_commit_that_nobody_heard_of_is_not_told_as_a_failure(api, postgres):
    # given a server whose commits wait for a replica that never comes
    await asyncio.to_thread(_set, postgres, "nobody")
    try:
        body = {"url": "https://example.com/", "external_id": "once"}
        answer, took_s = await _timed(api.request("POST", "/websites", json=body))
    finally:
        await asyncio.to_thread(_set, postgres, "")
    # then
    assert took_s < DEADLINE_S + LATE_S
    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    assert answer.json()["detail"] == (
        "postgres did not answer within 2 s, and the change may be stored: look before you send it "
        "again."
    )
    assert "retry-after" not in answer.headers
    # and here it is stored
    assert [w["external_id"] for w in (await api.get("/websites"))["items"]] == ["once"]


def test_an_export_is_cut_without_a_traceback(postgres, redis, tmp_path):
    # given an export that its client has begun to read
    _forget(postgres)
    with served(postgres.url, redis.url, tmp_path, MONITOR_API_DEADLINE_S="3") as api:
        long_url = "https://example.com/" + "x" * 2000
        assert send_all(api, sites(6000, url=long_url)) == 200
        with api.http.stream("GET", "/websites/export") as answer:
            blocks = answer.iter_raw(65_536)
            assert next(blocks)
            # when Postgres hangs
            postgres.pause()
            try:
                with pytest.raises(httpx.RemoteProtocolError):
                    list(blocks)
            finally:
                postgres.resume()
        # then
        assert api.http.get("/websites/export").text.count("\n") == 6000
        log = (tmp_path / "api.log").read_text()
    assert "api.response_cut" in log
    assert "Traceback" not in log


def send_all(api, body):
    headers = {"Content-Type": "application/x-ndjson"}
    return api.http.post("/websites/bulk", content=body, headers=headers, timeout=60).status_code


def test_the_api_ends_soon_while_its_stores_hang(postgres, redis, tmp_path):
    # given
    _forget(postgres)
    with served(postgres.url, redis.url, tmp_path) as api:
        assert api.http.get("/regions").status_code == 200
        # when both hang, and requests wait for each
        redis.pause()
        created = api.http.post("/websites", json={"url": "https://example.com/"}, timeout=30)
        postgres.pause()
        try:
            with ThreadPoolExecutor() as threads:
                waiting = threads.submit(_status, api, "/websites")
                time.sleep(0.5)  # it arrives
                took_s = api.stop()
                assert waiting.result() in {503, None}
        finally:
            postgres.resume()
            redis.resume()
        log = (tmp_path / "api.log").read_text()
    # then
    assert created.status_code == 201
    assert took_s < 8 + LATE_S
    assert "Traceback" not in log


def _status(api, path):
    try:
        return api.http.get(path, timeout=30).status_code
    except httpx.TransportError:
        return None


def _set(postgres, standby):
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
        connection.execute("SELECT pg_reload_conf()")
    until(lambda: postgres.rows("SHOW synchronous_standby_names") == [(standby,)])
