"""HTTPS: which certificate is good enough, and what a bad one is called."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl

import pytest
import trustme

from monitor.domain.outcome import Reason, Result
from monitor.probes.http.exchange import Exchange
from support import targets_tls
from support.dns import DnsServer
from support.factories import check_options
from support.targets import TargetServer, resets, silent
from support.targets_checks import check, prober
from support.targets_loops import on_both_loops


@on_both_loops
async def test_a_good_certificate_is_up_and_its_handshake_timed():
    async with TargetServer(tls=targets_tls.certified("127.0.0.1")) as target:
        outcome = await check(target.url)
        await target.idle()

    assert outcome.result is Result.UP
    assert outcome.timings.tls_ms > 0


@on_both_loops
async def test_a_name_is_checked_against_the_certificate_even_with_its_final_dot():
    context = targets_tls.certified("shop.test")
    async with TargetServer(tls=context) as target, DnsServer({"shop.test": ["127.0.0.1"]}) as dns:
        outcome = await check(target.url_of(host="shop.test."), dns_servers=[dns.address])

    assert outcome.result is Result.UP


@on_both_loops
async def test_a_certificate_without_key_identifiers_is_trusted_on_every_python():
    # Python 3.13's own default refuses it (RFC 5280, section 4.2.1.1)
    context, authority = targets_tls.without_key_identifiers("127.0.0.1")
    async with TargetServer(tls=context) as target, prober(trust=authority) as made:
        outcome = await made.check(check_options(target.url))

    assert outcome.result is Result.UP, outcome.evidence


BAD = {
    "expired": (
        lambda: targets_tls.certified("127.0.0.1", valid_days=(-9, -2)),
        Reason.TLS_EXPIRED,
        "certificate has expired (127.0.0.1)",
    ),
    "not yet valid": (
        lambda: targets_tls.certified("127.0.0.1", valid_days=(2, 9)),
        Reason.TLS_EXPIRED,
        "certificate is not valid yet (127.0.0.1)",
    ),
    "another address": (
        lambda: targets_tls.certified("127.0.0.2"),
        Reason.TLS_HOSTNAME,
        "certificate is not valid for 127.0.0.1",
    ),
    "unknown authority": (
        lambda: targets_tls.certified("127.0.0.1", ca=trustme.CA()),
        Reason.TLS_UNTRUSTED,
        "certificate of 127.0.0.1 is not trusted: ",
    ),
    "signed by itself": (
        lambda: targets_tls.self_signed("127.0.0.1"),
        Reason.TLS_UNTRUSTED,
        "certificate of 127.0.0.1 is not trusted: self",
    ),
}


@pytest.mark.parametrize("kind", BAD)
@on_both_loops
async def test_a_bad_certificate_is_down_unless_verification_is_off(kind):
    context, reason, evidence = BAD[kind]
    async with TargetServer(tls=context()) as target:
        looked = await check(target.url)
        unlooked = await check(target.url, verify_ssl=False)

    assert (looked.result, looked.reason) == (Result.DOWN, reason)
    assert looked.evidence.startswith(evidence)
    assert unlooked.result is Result.UP


@on_both_loops
async def test_wrong_host_name_is_tls_hostname():
    context = targets_tls.certified("other.test")
    async with TargetServer(tls=context) as target, DnsServer({"shop.test": ["127.0.0.1"]}) as dns:
        outcome = await check(target.url_of(host="shop.test"), dns_servers=[dns.address])

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.TLS_HOSTNAME)
    assert outcome.evidence == "certificate is not valid for shop.test"


@on_both_loops
async def test_a_handshake_that_stalls_ends_with_the_deadline():
    async with TargetServer(silent) as target:
        outcome = await check(target.url.replace("http", "https"), request_timeout=1)
        await target.idle()

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.TLS_TIMEOUT)
    assert outcome.evidence.startswith("no answer within 1 s (TLS handshake with 127.0.0.1")
    assert 900 < outcome.timings.tls_ms < 1900


@pytest.mark.parametrize(
    ("said", "reason", "evidence"),
    [
        (b"", Reason.CONNECTION_RESET, "during the TLS handshake"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.TLS_ERROR, "wrong version number"),
        (b"\x15\x03\x01\x00\x02\x02\x46", Reason.TLS_ERROR, "alert protocol version"),
    ],
    ids=["leaves", "speaks plain HTTP", "sends an alert"],
)
@on_both_loops
async def test_a_handshake_that_fails(said, reason, evidence):
    async def fails(exchange):
        await exchange.reader.read(65536)
        await exchange.send(said)

    async with TargetServer(fails) as target:
        outcome = await check(target.url.replace("http", "https"))
        await target.idle()

    assert (outcome.result, outcome.reason) == (Result.DOWN, reason)
    assert evidence in outcome.evidence


@on_both_loops
async def test_a_server_that_requires_a_client_certificate():
    # given a server that says so after the handshake, as TLS 1.3 does (RFC 8446, section 4.4.2)
    context = targets_tls.certified("127.0.0.1")
    context.verify_mode = ssl.CERT_REQUIRED
    targets_tls.authority().configure_trust(context)

    def serve(listener):
        connection, _ = listener.accept()
        with context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        ) as secure:
            with contextlib.suppress(ssl.SSLError):
                secure.do_handshake()
            # Staying until the other side leaves: going at once might overtake the alert.
            with socket.socket(fileno=os.dup(secure.fileno())) as raw:
                raw.settimeout(5)
                while raw.recv(65536):
                    pass

    # when
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(asyncio.to_thread(serve, listener))
        outcome = await check(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        await serving

    # then
    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.TLS_ERROR)
    assert "certificate required" in outcome.evidence


@on_both_loops
async def test_a_reset_after_the_handshake():
    async with TargetServer(resets, tls=targets_tls.certified("127.0.0.1")) as target:
        outcome = await check(target.url)

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.CONNECTION_RESET)


@on_both_loops
async def test_a_peer_that_never_closes_tls_is_left_at_once():
    # given a server that answers over TLS and from then on looks at TCP alone
    context = targets_tls.certified("127.0.0.1")
    body = b"x" * 100_000

    def serve(listener):
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.settimeout(5)
            with socket.socket(fileno=os.dup(secure.fileno())) as raw:
                raw.settimeout(5)
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + body)
                with contextlib.suppress(ConnectionError):
                    while raw.recv(65536):
                        pass

    # when
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(asyncio.to_thread(serve, listener))
        async with prober() as made:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
            outcome = await made.check(check_options(url))

            # then the connection ends though the prober lives on
            await asyncio.wait_for(serving, 3)

    assert outcome.result is Result.UP


@on_both_loops
async def test_a_check_cancelled_as_its_handshake_ends_leaves_no_connection(monkeypatch):
    # given a cancellation in the very step in which the handshake ends and the request leaves
    connected = Exchange.connection_made

    def cancelled(exchange, transport):
        connected(exchange, transport)
        task.cancel()

    monkeypatch.setattr(Exchange, "connection_made", cancelled)
    async with prober() as made, TargetServer(silent, targets_tls.certified("127.0.0.1")) as target:
        task = asyncio.create_task(made.check(check_options(target.url)))
        # when
        with pytest.raises(asyncio.CancelledError):
            await task

        # then the connection ends though the prober lives on
        await target.idle()
