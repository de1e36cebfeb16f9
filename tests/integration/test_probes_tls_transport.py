"""TLS over a plain connection: what a server may send, and what a check makes of its end."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.http.exchange import Exchange
from monitor.probes.net.phases import Phase, Progress
from monitor.probes.net.tls_transport import TlsTransport
from support import targets_tls
from support.targets import TargetServer, answers, sends
from support.targets_checks import check, prober
from support.targets_loops import on_both_loops


@pytest.mark.parametrize(
    ("tickets", "reason"), [(10, None), (250, Reason.TLS_ERROR)], ids=["some", "a flood"]
)
@on_both_loops
async def test_session_tickets_are_taken_up_to_a_bound(tickets, reason):
    # given a server that sends its tickets, of about 250 bytes, right after the handshake
    context = targets_tls.certified("127.0.0.1")
    context.num_tickets = tickets
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url)
        await target.idle()

    assert outcome.reason is reason, outcome.evidence
    if reason is not None:
        assert outcome.evidence.endswith("too many messages without data")


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@on_both_loops
async def test_an_answer_in_records_of_one_byte_is_no_flood(newest):
    context = targets_tls.certified("127.0.0.1")
    context.maximum_version = newest
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + b"x" * 4000

    async def bytewise(exchange):
        await exchange.request()
        for byte in answer:
            exchange.writer.write(bytes([byte]))
        await exchange.writer.drain()

    async with TargetServer(bytewise, context) as target:
        outcome = await check(target.url)

    assert outcome.result is Result.UP, outcome.evidence


@on_both_loops
async def test_a_close_notify_ends_an_answer_without_a_length():
    context = targets_tls.certified("127.0.0.1")
    async with TargetServer(sends(b"HTTP/1.1 200 OK\r\n\r\nfine"), context) as target:
        outcome = await check(target.url)

    assert outcome.result is Result.UP, outcome.evidence


@on_both_loops
async def test_a_long_request_arrives_whole():
    body = "x" * 50_000  # more than fits into one record
    async with TargetServer(answers(), targets_tls.certified("127.0.0.1")) as target:
        outcome = await check(target.url, http_method="POST", request_body=body)

    assert outcome.result is Result.UP, outcome.evidence
    assert [len(received.body) for received in target.requests] == [len(body)]


@on_both_loops
async def test_a_name_that_no_server_can_be_asked_for_ends_the_handshake_at_once():
    loop = asyncio.get_running_loop()
    async with TargetServer(tls=targets_tls.certified("127.0.0.1")) as target, prober() as made:
        handshake = made._handshakes.unusual(".broken", verify=True, min_version=None)
        progress = Progress(loop.time() + 10, 10)
        exchange = Exchange(loop, progress, b"")
        _, tls = await loop.create_connection(
            lambda: TlsTransport(loop, handshake, exchange, progress), target.host, target.port
        )
        with pytest.raises(ValueError, match="label empty"):
            await tls.established()
        await target.idle()

    assert progress.phase is Phase.TLS
    assert tls.is_closing()
