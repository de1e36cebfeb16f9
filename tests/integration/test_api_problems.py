"""Errors that no caller's field is to blame for: all of them problems, none of them telling."""

import asyncio
import contextlib

import httpx
import pytest
from structlog.testing import capture_logs

from monitor.api.problems import problem_of
from monitor.domain.errors import Unavailable
from monitor.services.workers import regions
from monitor.storage.postgres.pool import make_pool, transaction
from support.api import NOWHERE, assert_problem, running


async def test_the_frameworks_own_errors_are_problems(api):
    cases = [
        ("GET", "/", 404, "not_found"),
        ("GET", "/nothing/here", 404, "not_found"),
        ("GET", "/websites/x", 404, "not_found"),
        ("GET", "/schema/nothing", 404, "not_found"),
        ("GET", "/schema/nothing.json", 404, "not_found"),
        ("PUT", "/websites", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("BREW", "/websites", 405, "method_not_allowed"),
    ]
    for method, path, status, code in cases:
        answer = await api.request(method, path, expect=status)
        assert answer.json()["code"] == code
    answer = await api.request("PUT", "/websites")
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


async def test_unhandled_exceptions_are_logged_and_not_exposed(api, monkeypatch):
    async def broken(*_args):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(regions, "page", broken)
    with capture_logs() as lines:
        answer = await api.request("GET", "/regions", expect=500)
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.text
    (line,) = (x for x in lines if x["event"] == "api.internal_error")
    assert isinstance(line["exc_info"], RuntimeError)
    assert line["route"] == "/regions"


async def test_without_postgres_requests_are_to_be_tried_again(api):
    await api.get("/regions")  # the key is known now
    await api.lose_postgres()
    for path in ("/regions", "/websites", "/monitor"):
        answer = await api.request("GET", path, expect=503)
        assert (answer.json()["code"], answer.headers["retry-after"]) == ("unavailable", "5")
        assert "postgresql://" not in answer.text
    await api.request("POST", "/websites", json={"url": "http://a/"}, expect=503)
    unknown = {"Authorization": f"Bearer mon_{'0' * 32}_{'x' * 43}"}
    answer = await api.client(None).get("/regions", headers=unknown)
    assert answer.status_code == 503  # not to be told from a valid one


async def test_without_redis_websites_answer_and_statuses_are_unknown(database_url):
    async with running(database_url, NOWHERE) as api:
        await api.add_regions("europe")
        made = await api.add_website()
        paused = await api.add_website(paused=True)
        assert (made["status"], paused["status"]) == ("unknown", "paused")
        listed = (await api.get("/websites"))["items"]
        assert [w["status"] for w in listed] == ["unknown", "paused"]
        assert (await api.get(f"/websites/{made['id']}"))["status"] == "unknown"
        only_paused = (await api.get("/websites", params={"status": "paused"}))["items"]
        assert [w["id"] for w in only_paused] == [paused["id"]]
        # what cannot be answered honestly is not answered
        for path in ("/monitor", "/websites?status=up", "/websites?status=unknown"):
            problem = await api.get(path, expect=503)
            assert problem["code"] == "unavailable"
            assert "redis" in problem["detail"]
        await api.delete(f"/websites/{made['id']}")


async def test_healthz_succeeds_without_dependencies(database_url):
    async with running(database_url, NOWHERE) as api:
        await api.lose_postgres()
        answer = await api.client(None).get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_when_everything_answers(api):
    answer = await api.client(None).get("/readyz")
    assert answer.status_code == 200
    checks = {"postgres": "ok", "redis": "ok", "ticks": "ok"}
    assert answer.json() == {"status": "ok", "checks": checks}


@pytest.mark.parametrize("missing", ["postgres", "redis", "ticks"])
async def test_readyz_names_the_unavailable_dependency(api, missing):
    # given
    break_it = {"postgres": _no_postgres, "redis": _no_redis, "ticks": _no_ticks}[missing]
    await break_it(api)
    # when
    answer = await api.client(None).get("/readyz")
    # then
    assert answer.status_code == 503
    problem = assert_problem(answer)
    assert problem["code"] == "not_ready"
    down = {n for n, state in problem["checks"].items() if state != "ok"}
    # ticks are kept in Postgres here
    assert down == ({"postgres", "ticks"} if missing == "postgres" else {missing})
    assert problem["checks"].keys() == {"postgres", "redis", "ticks"}
    assert not any(c in answer.text for c in ("://", "127.0.0.1", "@"))


async def _no_postgres(api):
    await api.lose_postgres()


async def _no_redis(api):
    await api.redis.connection_pool.aclose()
    api.redis.connection_pool.connection_kwargs |= {"host": "127.0.0.1", "port": 1}


async def _no_ticks(api):
    async def away():
        raise Unavailable("influxdb", "http://secret@127.0.0.1:8086")

    api.ticks.ping = away


async def test_readyz_counts_a_hanging_dependency_as_unavailable(api, monkeypatch):
    async def silent():
        await asyncio.Event().wait()

    monkeypatch.setattr("monitor.services.workers.readiness.TIMEOUT_S", 0.05)
    api.ticks.ping = silent
    answer = await api.client(None).get("/readyz")
    assert answer.json()["checks"]["ticks"] == "unavailable"


async def test_cors_is_refused_to_other_origins(api):
    answer = await api.request("GET", "/websites", headers={"Origin": "https://evil.example"})
    assert not [h for h in answer.headers if h.startswith("access-control")]


async def test_client_disconnect_is_harmless(api, postgres_server):
    """A request that is given up while it waits for Postgres leaves its connection usable."""
    await api.add_regions("europe")
    async with make_pool(postgres_server.url("api")) as other, transaction(other) as holder:
        await holder.execute("LOCK TABLE websites IN ACCESS EXCLUSIVE MODE")
        with contextlib.suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(0.2):
                await api.request("GET", "/websites")
    for _ in range(6):
        await api.get("/websites")


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (404, "Not Found"),
        (413, "Request Entity Too Large"),
        (414, "Request-URI Too Long"),
        (422, "Unprocessable Entity"),
    ],
)
def test_titles_are_the_same_on_every_python(status, title):
    assert problem_of(status, "code", "detail").title == title
