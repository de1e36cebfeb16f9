"""Callers that do not do their part: each costs a bounded time, and nobody else waits."""

import asyncio
import json
from contextlib import suppress

import pytest

from monitor.api import requests
from monitor.domain.access import Role
from support.served_app import PATIENCE_S, SHORT, head, heard, open_app

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])  # as in production


@pytest.fixture
async def app(postgres_server, redis_url):
    async with open_app(postgres_server, redis_url) as opened:
        yield opened


async def _trickle(reader, writer, what):
    """Send a byte now and then until the other side has had enough; all that it said."""
    said = asyncio.ensure_future(heard(reader))
    with suppress(OSError):
        while not said.done():
            writer.write(what)
            await writer.drain()
            await asyncio.wait({said}, timeout=0.02)
    return await said


def _problem(answer):
    """(status, code) of a raw answer, which has the headers that all have."""
    start, _, body = answer.partition(b"\r\n\r\n")
    assert b"x-content-type-options: nosniff" in start
    assert b"content-security-policy: default-src 'none'; frame-ancestors 'none'" in start
    assert b"server:" not in start.lower()
    return int(start.split()[1]), json.loads(body)["code"] if body else "(none, to HEAD)"


async def test_trickled_request_head_is_timed_out(app):
    # given callers that never finish the head of a request
    slow = [
        asyncio.ensure_future(_trickle(*await app.connect(b"GET /healthz HTTP/1.1\r\nX: "), b"x"))
        for _ in range(5)
    ]
    # then others are answered meanwhile
    assert (await app.ask()).startswith(b"HTTP/1.1 200")
    # and their time ends, whatever they send
    for answer in await asyncio.gather(*slow):
        assert _problem(answer) == (408, "head_stalled")
    assert app.ended("head") == 5


async def test_idle_connection_is_closed(app):
    reader, _writer = await app.connect()
    assert await heard(reader) == b""
    # nor does one that has asked once
    reader, writer = await app.connect(head("GET", "/healthz"))
    assert (await heard(reader)).count(b"HTTP/1.1 200") == 1
    # and a byte more is a head that is begun
    reader, writer = await app.connect(head("GET", "/healthz"))
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert _problem(b"HTTP" + (await _trickle(reader, writer, b"G")).split(b"HTTP")[-1]) == (
        408,
        "head_stalled",
    )


async def test_trickled_request_body_is_timed_out(app, monkeypatch):
    monkeypatch.setattr(requests, "BODY_S", 0.4)
    key = app.api.keys[Role.WRITE]
    more = {"Content_Type": "application/json", "Content_Length": 1000}
    caller = await app.connect(head("POST", "/websites", key, **more))
    # when
    answer = await _trickle(*caller, b" ")
    # then it is told, and not listened to for ever after that
    assert _problem(answer) == (408, "body_stalled")
    await app.until(lambda: app.ended("rest") == 1)
    assert (await app.api.get("/websites"))["items"] == []


async def test_the_rest_of_a_body_that_was_refused_is_not_read_for_ever(app):
    more = {"Content_Type": "application/x-ndjson", "Transfer_Encoding": "chunked"}
    # given a stranger who is told so, and goes on
    caller = await app.connect(head("POST", "/websites/bulk", **more))
    answer = await _trickle(*caller, b"1\r\nx\r\n")
    # then
    assert _problem(answer) == (401, "unauthenticated")
    await app.until(lambda: app.ended("rest") == 1)


async def test_client_silent_after_a_rejected_body_is_disconnected(app):
    more = {"Content_Type": "application/json", "Content_Length": 2}
    reader, writer = await app.connect(head("POST", "/websites", **more))
    assert await reader.readline() == b"HTTP/1.1 401 Unauthorized\r\n"
    # when
    writer.write(b"{}")
    # then
    await heard(reader)
    await app.until(lambda: app.open() == 0)


@pytest.mark.parametrize("path", ["/schema/openapi.json", "/websites/export"])
async def test_unread_response_is_dropped(app, path):
    # given answers that are larger than what the kernel holds for this caller
    await app.api.add_regions("europe")
    path_of_2000 = "x" * 2000
    for number in range(300):
        await app.api.add_website(url=f"https://example.com/{number}/{path_of_2000}")
    caller = await app.connect(head("GET", path, app.api.keys[Role.READ]), SO_RCVBUF=2048)
    caller[0]._transport.pause_reading()
    # when
    await app.until(lambda: app.ended("answer") == 1)
    # then nothing is left of it, and others are served
    await app.until(lambda: app.open() == 0)
    await app.until(lambda: app.api.deps.exports.taken == 0)
    assert (await app.ask()).startswith(b"HTTP/1.1 200")


async def test_idle_connections_make_way_for_active_ones(app):
    # given many times more connections than there is room for
    crowd = []
    for number in range(8 * SHORT.connections):
        crowd.append(await app.connect(b"GET / HTTP/1.1\r\nX: "))
        # then whoever asks is answered
        if number % 16 == 0:
            assert (await app.ask()).startswith(b"HTTP/1.1 200")
            assert app.open() <= SHORT.connections + 1
    assert app.ended("crowded") > 0


async def test_connection_beyond_the_limit_gets_503(postgres_server, redis_url, monkeypatch):
    monkeypatch.setattr("monitor.services.workers.readiness.TIMEOUT_S", PATIENCE_S)
    limits = type(SHORT)(head_s=20, connections=3)
    # given as many requests under way as there may be connections
    async with open_app(postgres_server, redis_url, limits) as app:
        released = asyncio.Event()

        async def ping():
            await released.wait()

        app.api.ticks.ping = ping
        busy = [asyncio.ensure_future(app.ask(_READYZ)) for _ in range(3)]
        await app.until(lambda: app.open() == 3 and not app.connections.waiting)
        # when
        answer = await app.ask()
        # then
        assert _problem(answer) == (503, "busy")
        released.set()
        for answer in await asyncio.gather(*busy):
            assert answer.startswith(b"HTTP/1.1 ")
        assert (await app.ask()).startswith(b"HTTP/1.1 200")


_READYZ = head("GET", "/readyz", Connection="close")


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"x" * 17_000 + b"\r\n",
        b"".join(b"X-%d: x\r\n" % n for n in range(200)),
        b"X: " + b"x" * 200_000 + b"\r\n",
        b"".join(b"X-%d: x\r\n" % n for n in range(20_000)),
    ],
    ids=["long", "many", "very long", "very many"],
)
async def test_a_head_that_is_too_large_is_refused(app, headers, in_pieces):
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + b"\r\n"
    reader, writer = await app.connect()
    with suppress(OSError):
        for part in [request[:1000], request[1000:]] if in_pieces else [request]:
            writer.write(part)
            await writer.drain()
    answer = await heard(reader)
    # an answer to a request that was cut off may be lost on its way; a 200 it never is
    assert not answer or _problem(answer) == (431, "headers_too_large")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /websites HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_malformed_request_gets_a_problem_and_is_closed(app, nonsense):
    reader, _writer = await app.connect(nonsense)
    answer = await heard(reader)
    assert _problem(answer)[0] in {400, 401}
    await app.until(lambda: app.open() == 0)
    assert (await app.ask()).startswith(b"HTTP/1.1 200")
