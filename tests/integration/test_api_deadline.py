"""How long a request may take, and what it is told when its time is over."""

import asyncio
import json

import pytest

from monitor.api.app import create_app
from monitor.api.deadline import lock_timeout_s
from monitor.domain.access import Role
from monitor.domain.errors import Contended
from monitor.services.websites import write
from monitor.services.workers import regions
from monitor.storage.postgres import bulk
from monitor.storage.postgres.websites import ConcurrentUpdate
from support.api import running
from support.bulk import send, sites
from support.factories import website_body

DEADLINE_S = 60.0
"""What has to be in time has nearly all of it, on a machine that is busy with other tests: none of
them waits, as ``elapse`` turns the clock."""


@pytest.fixture
async def elapse(monkeypatch):
    """Turn the clock of the test's loop ahead by so many seconds."""
    loop = asyncio.get_running_loop()
    time, ahead_s = loop.time, 0.0

    def turn(seconds):
        nonlocal ahead_s
        ahead_s += seconds

    monkeypatch.setattr(loop, "time", lambda: time() + ahead_s)
    return turn


@pytest.fixture
async def api(database_url, redis_url):
    async with running(database_url, redis_url, deadline_s=DEADLINE_S) as opened:
        await opened.request("GET", "/regions")
        yield opened


async def test_a_request_that_waits_for_no_store_is_told_so(api, elapse, monkeypatch):
    async def slow(*_):
        elapse(DEADLINE_S)
        await asyncio.Event().wait()

    monkeypatch.setattr(regions, "page", slow)
    answer = await api.request("GET", "/regions", expect=503)
    assert answer.json()["code"] == "busy"
    assert answer.json()["detail"] == "The request took longer than 60 s; try again soon."
    assert answer.headers["retry-after"] == "5"


async def test_only_the_wait_that_its_time_ended_in_is_named(api, elapse, monkeypatch):
    async def slow(pool, *_):
        async with pool.connection() as connection:
            try:  # one that was given up before counts for nothing
                async with asyncio.timeout(0.05):
                    await connection.execute("SELECT pg_sleep(10)")
            except TimeoutError:
                elapse(DEADLINE_S)
                await asyncio.Event().wait()

    monkeypatch.setattr(regions, "page", slow)
    answer = await api.request("GET", "/regions", expect=503)
    assert answer.json()["code"] == "busy"


async def test_time_that_the_client_takes_does_not_count(api, elapse):
    body = json.dumps(website_body()).encode()

    async def slowly():
        for n in range(4):
            elapse(DEADLINE_S / 3)
            yield body if n == 3 else b" "

    await api.add_regions("europe")
    headers = {"Content-Type": "application/json"}
    answer = await api.request("POST", "/websites", content=slowly(), headers=headers)
    assert answer.status_code == 201


async def test_an_import_has_the_whole_time_for_each_block(api, elapse):
    await api.add_regions("europe")

    async def slowly():
        for n in range(4):
            elapse(DEADLINE_S / 3)
            yield sites(400, first=400 * n)

    assert (await send(api, slowly()))["created"] == 1600


async def test_each_chunk_of_an_import_that_has_arrived_has_the_whole_time(
    api, elapse, monkeypatch
):
    # given chunks that together take longer than that
    await api.add_regions("europe")
    add_chunk = bulk.add_chunk

    async def slowly(*args):
        elapse(0.6 * DEADLINE_S)
        return await add_chunk(*args)

    monkeypatch.setattr(bulk, "add_chunk", slowly)
    # then
    assert (await send(api, sites(3500)))["created"] == 3500


async def test_what_was_stored_before_the_time_ended_is_told(api, elapse):
    # given
    await api.add_regions("europe")

    async def never(_):
        elapse(DEADLINE_S)
        await asyncio.Event().wait()

    api.send = never
    object.__setattr__(api.deps, "send", never)
    # when a change is stored, and announcing it takes too long
    answer = await api.request("POST", "/websites", json=website_body(), expect=503)
    # then
    assert answer.json()["code"] == "outcome_unknown"
    assert answer.json()["detail"] == (
        "The request took longer than 60 s, and the change may be stored: look before you send it "
        "again."
    )
    assert len((await api.get("/websites"))["items"]) == 1


async def test_a_page_of_another_origin_may_read_that_its_time_is_over(api, elapse, monkeypatch):
    async def slow(*_):
        elapse(DEADLINE_S)
        await asyncio.Event().wait()

    monkeypatch.setattr(regions, "page", slow)
    app = create_app(api.deps, cors_origins=["https://status.example"], deadline_s=DEADLINE_S)
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def note(message):
        sent.append(message)

    key = f"Bearer {api.keys[Role.READ]}".encode()
    headers = [(b"host", b"x"), (b"authorization", key), (b"origin", b"https://status.example")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": "/regions", "raw_path": b"/regions", "root_path": "",
        "query_string": b"", "headers": headers, "server": ("x", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await app(scope, receive, note)
    assert sent[0]["status"] == 503
    assert dict(sent[0]["headers"])[b"access-control-allow-origin"] == b"https://status.example"


def test_a_lock_is_given_up_before_its_request_is():
    assert [lock_timeout_s(s) for s in (1, 10, 60)] == [0.8, 8, 10]


async def test_contention_is_told_as_what_it_is(api, monkeypatch):
    await api.add_regions("europe")
    website = await api.add_website()

    async def raced(*_, **__):
        raise ConcurrentUpdate

    # when others are always faster
    monkeypatch.setattr("monitor.storage.postgres.websites.store", raced)
    path = f"/websites/{website['id']}"
    answer = await api.request("PATCH", path, json={"paused": True}, expect=503)
    # then
    assert answer.json()["code"] == "contended"
    assert "postgres" not in answer.json()["detail"]
    assert "Others changed the same websites 10 times" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "5"
    # and an import says which lines
    problem = await send(api, sites(3), expect=503)
    assert problem["code"] == "contended"
    assert "lines 1 to 3" in problem["detail"]
    assert "Idempotency-Key" in problem["detail"]


async def test_contention_is_given_up_after_ten_attempts():
    attempts = []

    async def attempt():
        attempts.append(1)
        raise ConcurrentUpdate

    with pytest.raises(Contended):
        await write.retried(attempt)
    assert len(attempts) == 10


async def test_removing_a_region_has_the_time_of_changes_of_many_websites(api, elapse, monkeypatch):
    # given a region that many websites name, as whose removal takes longer than a request may
    await api.add_regions("europe", "asia")
    await api.request("POST", "/websites", json=website_body(regions=["asia"]), expect=201)
    delete = regions.delete

    async def slowly(*args, **options):
        elapse(DEADLINE_S + 1)
        await asyncio.sleep(0)  # where a request whose time is over ends
        await delete(*args, **options)

    monkeypatch.setattr(regions, "delete", slowly)
    # then
    await api.request("DELETE", "/regions/asia", params={"force": "true"}, expect=204)
