"""What a check makes of answers: the status decides, the body is read to a bound."""

from __future__ import annotations

import asyncio

import pytest

from monitor.domain.outcome import Reason, Result
from support.raw_answers import ACCEPTED, LONG, REFUSED
from support.targets import (
    TargetServer,
    answers,
    hangs_up,
    repeats,
    resets,
    sends,
    sends_and_stays,
    silent,
)
from support.targets_checks import check
from support.targets_loops import on_both_loops

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "expected", "result", "reason", "evidence"),
    [
        (200, ((200, 399),), Result.UP, None, ""),
        (204, ((200, 399),), Result.UP, None, ""),
        (404, ((200, 399),), Result.DOWN, Reason.HTTP_STATUS, "HTTP 404 Not Found"),
        (503, ((200, 399),), Result.DOWN, Reason.HTTP_STATUS, "HTTP 503 Service Unavailable"),
        (404, ((404, 404),), Result.UP, None, ""),
        (200, ((404, 404),), Result.DOWN, Reason.HTTP_STATUS, "HTTP 200 OK"),
        (799, ((200, 399),), Result.DOWN, Reason.HTTP_STATUS, "HTTP 799"),
        (999, ((200, 399),), Result.DOWN, Reason.HTTP_STATUS, "HTTP 999"),
        (999, ((999, 999),), Result.UP, None, ""),
        (600, ((600, 699),), Result.UP, None, ""),
    ],
)
@on_both_loops
async def test_the_status_decides(status, expected, result, reason, evidence):
    async with TargetServer(answers(status, b"")) as target:
        outcome = await check(target.url, expected_status_codes=expected)

    assert (outcome.result, outcome.reason, outcome.status_code) == (result, reason, status)
    assert outcome.evidence == evidence
    assert outcome.response_ms == outcome.timings.total_ms > 0


@on_both_loops
async def test_a_head_response_has_no_body_whatever_its_length():
    async with TargetServer(answers(200, b"x" * 1000)) as target:
        outcome = await check(target.url, http_method="HEAD")

    assert outcome.result is Result.UP
    assert target.requests[0].method == "HEAD"


@on_both_loops
async def test_an_endless_body_is_read_up_to_the_limit():
    start = b"HTTP/1.1 200 OK\r\n\r\n"
    async with TargetServer(repeats(start, b"x" * 10_000)) as target:
        outcome = await check(target.url, request_timeout=10)
        await target.idle()

    assert outcome.result is Result.UP
    assert outcome.response_ms < 5_000


@on_both_loops
async def test_a_compressed_body_is_not_decompressed():
    # given one that says it is compressed and could not be unpacked
    claims = answers(200, b"not gzip at all", {"Content-Encoding": "gzip"})
    async with TargetServer(claims) as target:
        outcome = await check(target.url)

    assert outcome.result is Result.UP


@pytest.mark.parametrize(
    ("behaviour", "reason", "evidence"),
    [
        (resets, Reason.CONNECTION_RESET, "connection reset by 127.0.0.1 port"),
        (hangs_up, Reason.CONNECTION_RESET, "connection"),
        (sends(b""), Reason.CONNECTION_RESET, "connection closed by 127.0.0.1 port"),
        (sends(b"HTTP/1.1 200 OK\r\nServ"), Reason.CONNECTION_RESET, "connection closed by"),
        (sends(b"220 mail.example ESMTP\r\n"), Reason.INVALID_RESPONSE, "does not begin like HTTP"),
        (sends(b"\x00\xff" * 500), Reason.INVALID_RESPONSE, "does not begin like HTTP"),
        (sends(b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"), Reason.INVALID_RESPONSE, "is malformed"),
        (
            sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"),
            Reason.CONNECTION_RESET,
            "before the end of the answer",
        ),
        (sends(CHUNKED + b"5\r\nab"), Reason.CONNECTION_RESET, "before the end of the answer"),
    ],
    ids=range(9),
)
@on_both_loops
async def test_invalid_responses(behaviour, reason, evidence):
    async with TargetServer(behaviour) as target:
        outcome = await check(target.url)

    assert (outcome.result, outcome.reason) == (Result.DOWN, reason)
    assert evidence in outcome.evidence
    assert outcome.response_ms is None


@pytest.mark.parametrize("pause_s", [0.0, 0.2], ids=["with the head", "later"])
@on_both_loops
async def test_a_broken_chunk_ends_the_check_at_once_though_the_connection_stays(pause_s):
    async def breaks(exchange):
        await exchange.request()
        await exchange.send(CHUNKED + b"5\r\nabcde\r\n")
        leaving = asyncio.create_task(exchange.gone())
        await asyncio.wait([leaving], timeout=pause_s)
        await exchange.send(b"zz\r\n")
        await leaving

    async with TargetServer(breaks) as target:
        outcome = await check(target.url, request_timeout=5)
        await target.idle()

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.INVALID_RESPONSE)
    assert outcome.timings.total_ms < 2_000


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Again: and again\r\n" * 50),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 4096),
        (b"HTTP/1.1 200 ", b"OK" * 4096),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
        (CHUNKED + b"5;ext=", b"x" * 4096),
        (CHUNKED + b"0\r\n", b"X-Trailer: again\r\n" * 50),
    ],
    ids=["headers", "header", "status-line", "interim-answers", "chunk-extension", "trailers"],
)
@on_both_loops
async def test_an_endless_head_is_cut_off(start, part):
    async with TargetServer(repeats(start, part)) as target:
        outcome = await check(target.url, request_timeout=5)
        await target.idle()

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.INVALID_RESPONSE)
    assert outcome.timings.total_ms < 3_000


@on_both_loops
async def test_one_check_is_one_attempt():
    async with TargetServer(resets) as target:
        await check(target.url)

    assert target.accepted == 1


@pytest.mark.parametrize(
    ("behaviour", "doing", "status"),
    [
        (silent, "waiting for the response", 0),
        (sends_and_stays(b"HTTP/1.1 200 OK\r\nConte"), "reading the response", 0),
        (repeats(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.2), "reading the response", 0),
        (
            repeats(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x", 0.2),
            "reading the response",
            200,
        ),
    ],
    ids=["silence", "half a head", "dripping head", "dripping body"],
)
@on_both_loops
async def test_a_response_that_does_not_arrive_in_time(behaviour, doing, status):
    async with TargetServer(behaviour) as target:
        outcome = await check(target.url, request_timeout=1)
        await target.idle()

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.RESPONSE_TIMEOUT)
    assert outcome.evidence == f"no answer within 1 s ({doing})"
    assert (outcome.status_code, outcome.response_ms) == (status, None)
    assert 900 < outcome.timings.total_ms < 1900


@on_both_loops
async def test_evidence_never_contains_secrets_of_the_request():
    # given an answer that echoes what was sent, in every place that might be quoted
    secret = "hunter2"
    echoes = [
        f"HTTP/1.1 500 {secret}\r\nContent-Length: 0\r\n\r\n",
        f"{secret} is your password\r\n\r\n",
        f"HTTP/1.1 200 OK\r\n{secret}\0\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nX: {secret * 10_000}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Length: {secret}\r\n\r\n",
        f"HTTP/1.1 302 Found\r\nLocation: ftp://{secret}/{secret}\r\n\r\n",
    ]
    for echo in echoes:
        async with TargetServer(sends(echo.encode())) as target:
            outcome = await check(
                target.url_of(f"/?key={secret}"),
                request_headers={"Authorization": secret},
                request_body=secret,
            )
        assert outcome.result is Result.DOWN
        assert outcome.evidence
        assert secret not in outcome.evidence


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
IN_CHUNKS = EVENTS + b"Transfer-Encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n"
FRAMES = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n"


@pytest.mark.parametrize(
    "behaviour",
    [
        sends_and_stays(EVENTS + b"\r\n"),
        repeats(IN_CHUNKS, b"8\r\ndata: 1\n\r\n", 0.1),
        repeats(FRAMES, b"--b\r\n\r\nx\r\n", 0.1),
    ],
    ids=["silent", "events in chunks", "frames"],
)
@on_both_loops
async def test_an_endless_response_is_up_after_half_of_the_timeout(behaviour):
    loop = asyncio.get_running_loop()
    async with TargetServer(behaviour) as target:
        began_s = loop.time()
        outcome = await check(target.url, request_timeout=2)
        took_s = loop.time() - began_s
        await target.idle()

    assert (outcome.result, outcome.status_code) == (Result.UP, 200)
    assert 0.9 < took_s < 1.9
    assert outcome.response_ms == outcome.timings.total_ms < 800


@on_both_loops
async def test_an_endless_response_is_up_after_as_much_as_is_read_of_a_body():
    async with TargetServer(repeats(EVENTS + b"\r\n", b"data: x\n\n" * 500)) as target:
        outcome = await check(target.url, request_timeout=60)

    assert outcome.result is Result.UP


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (EVENTS.replace(b"200", b"503") + b"\r\n", Reason.HTTP_STATUS),
        (EVENTS + b"Content-Length: 100\r\n\r\n", Reason.RESPONSE_TIMEOUT),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", Reason.RESPONSE_TIMEOUT),
        (CHUNKED, Reason.RESPONSE_TIMEOUT),
    ],
    ids=["another status", "a length", "a page", "a page in chunks"],
)
@on_both_loops
async def test_a_body_that_stalls(start, reason):
    async with TargetServer(sends_and_stays(start)) as target:
        outcome = await check(target.url, request_timeout=1)

    assert (outcome.result, outcome.reason) == (Result.DOWN, reason)


@pytest.mark.parametrize(
    ("rest", "reason"),
    [(b"zz\r\n", Reason.INVALID_RESPONSE), (b"", Reason.CONNECTION_RESET)],
    ids=["malformed", "cut off"],
)
@on_both_loops
async def test_an_endless_response_that_breaks_while_it_is_read_is_down(rest, reason):
    async def breaks(exchange):
        await exchange.request()
        await exchange.send(IN_CHUNKS)
        leaving = asyncio.create_task(exchange.gone())
        await asyncio.wait([leaving], timeout=0.1)
        leaving.cancel()
        await exchange.send(rest)

    async with TargetServer(breaks) as target:
        outcome = await check(target.url, request_timeout=20)

    assert (outcome.result, outcome.reason) == (Result.DOWN, reason)
    assert outcome.timings.total_ms < 5000


@pytest.mark.parametrize("name", [*ACCEPTED, *LONG])
async def test_what_browsers_take_is_up(name):
    raw = (ACCEPTED | LONG)[name]
    async with TargetServer(sends(raw.data)) as target:
        outcome = await check(
            target.url, http_method=raw.method, expected_status_codes=((100, 999),)
        )

    assert (outcome.result, outcome.status_code) == (Result.UP, raw.status), outcome.evidence


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_response_is_an_invalid_response(name):
    async with TargetServer(sends(REFUSED[name])) as target:
        outcome = await check(target.url)

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.INVALID_RESPONSE)
