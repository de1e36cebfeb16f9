"""The chain of a server is known however its handshake ended, and what was verified is kept."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from monitor.domain.outcome import Result
from monitor.metrics.worker_stats import HandshakeCounts
from monitor.probes.http.exchange import Exchange
from monitor.probes.net import chains
from monitor.probes.net.phases import Progress
from monitor.probes.net.reasons import CheckFailed
from support import targets_tls
from support.factories import check_options
from support.targets import TargetServer, answers, redirects, resets
from support.targets_checks import prober
from support.targets_loops import on_both_loops


async def _chain_of(made, target, *, verify):
    """The chain that a check of this target has seen, and whether the server was accepted."""
    loop = asyncio.get_running_loop()
    progress = Progress(loop.time() + 10, 10)
    progress.host = progress.server_name = target.host
    handshake = made._handshakes.unusual(target.host, verify=verify, min_version=None)
    exchange = Exchange(loop, progress, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        await made._connector.connect(target.port, handshake, lambda: exchange, progress)
    except CheckFailed:
        return progress.chain, False
    exchange.close()
    return progress.chain, True


@pytest.mark.parametrize("verify", [True, False], ids=["refused", "unverified"])
@pytest.mark.parametrize(
    "context",
    [
        lambda: targets_tls.certified("127.0.0.1", valid_days=(-9, -2)),
        lambda: targets_tls.certified("other.test"),
        lambda: targets_tls.certified("127.0.0.1", ca=trustme.CA()),
        lambda: targets_tls.self_signed("127.0.0.1"),
    ],
    ids=["expired", "another name", "unknown authority", "signed by itself"],
)
@on_both_loops
async def test_the_chain_of_a_refused_and_of_an_unverified_server_can_be_shown(context, verify):
    async with TargetServer(tls=context()) as target, prober() as made:
        chain, accepted = await _chain_of(made, target, verify=verify)

    assert accepted is not verify
    leaf = chains.facts(chain[0])
    assert leaf is not None
    assert leaf.not_before_s < leaf.not_after_s
    assert leaf.names in (("127.0.0.1",), ("other.test",))


async def _counted(counts, made, url, **options):
    """The result of a check, and the handshakes that it took by kind."""
    before = dict(counts.by_kind)
    outcome = await made.check(check_options(url, **options))
    return outcome.result, {k: n - before[k] for k, n in counts.by_kind.items() if n > before[k]}


@on_both_loops
async def test_the_second_check_of_a_website_that_is_up_is_fast_unless_it_is_in_doubt():
    counts = HandshakeCounts()
    context = targets_tls.certified("127.0.0.1")
    async with TargetServer(tls=context) as target, prober(handshakes=counts) as made:
        first = await _counted(counts, made, target.url)
        second = await _counted(counts, made, target.url)
        kept = counts.known_chains
        before = counts.by_kind["verified"]
        await made.check(check_options(target.url), in_doubt=True)

    assert first == (Result.UP, {"verified": 1})
    assert second == (Result.UP, {"fast": 1})
    assert kept == 1
    assert counts.by_kind["verified"] == before + 1


@on_both_loops
async def test_a_changed_certificate_discards_one_handshake_and_is_known_from_then_on():
    counts = HandshakeCounts()
    first, second = (targets_tls.certified("127.0.0.1") for _ in range(2))
    async with prober(handshakes=counts) as made:
        async with TargetServer(tls=first) as target:
            await made.check(check_options(target.url))
        async with TargetServer(tls=second, port=target.port) as target:
            changed = await _counted(counts, made, target.url)
            later = await _counted(counts, made, target.url)

    assert changed == (Result.UP, {"verified": 1, "discarded": 1})
    assert later == (Result.UP, {"fast": 1})


@on_both_loops
async def test_after_a_failed_check_handshakes_are_verified_until_one_was_up():
    counts = HandshakeCounts()
    kinds = []
    async with (
        TargetServer(tls=targets_tls.certified("127.0.0.1")) as target,
        prober(handshakes=counts) as made,
    ):
        for status in (200, 503, 503, 200, 200):
            target.behaviour = answers(status)
            kinds.append((await _counted(counts, made, target.url))[1])

    fast, verified = {"fast": 1}, {"verified": 1}
    assert kinds == [verified, fast, verified, verified, fast]


@on_both_loops
async def test_a_redirect_to_https_is_fast_the_second_time_and_not_for_another_website():
    counts = HandshakeCounts()
    async with (
        TargetServer(tls=targets_tls.certified("127.0.0.1")) as end,
        TargetServer(redirects(end.url)) as begin,
        prober(handshakes=counts) as made,
    ):
        kinds = [(await _counted(counts, made, begin.url_of(path)))[1] for path in ("/", "/", "/b")]

    assert kinds == [{"verified": 1}, {"fast": 1}, {"verified": 1}]


@on_both_loops
async def test_after_a_failure_before_its_redirect_the_server_behind_it_is_verified_again():
    counts = HandshakeCounts()
    async with (
        TargetServer(tls=targets_tls.certified("127.0.0.1")) as end,
        TargetServer() as begin,
        prober(handshakes=counts) as made,
    ):
        kinds = []
        for behaviour in (redirects(end.url), redirects(end.url), resets, redirects(end.url)):
            begin.behaviour = behaviour
            kinds.append((await _counted(counts, made, begin.url))[1])

    assert kinds == [{"verified": 1}, {"fast": 1}, {}, {"verified": 1}]


@on_both_loops
async def test_without_room_every_handshake_is_verified():
    counts = HandshakeCounts()
    async with (
        TargetServer(tls=targets_tls.certified("127.0.0.1")) as target,
        prober(handshakes=counts, known_chains=0) as made,
    ):
        kinds = [(await _counted(counts, made, target.url))[1] for _ in range(3)]

    assert kinds == [{"verified": 1}] * 3


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@on_both_loops
async def test_no_session_is_resumed_though_the_server_offers_it(newest):
    context = targets_tls.certified("127.0.0.1")
    context.maximum_version = newest
    reused = []

    async def behave(exchange):
        reused.append(exchange.writer.get_extra_info("ssl_object").session_reused)
        await answers()(exchange)

    async with TargetServer(behave, context) as target, prober() as made:
        for _ in range(3):
            assert (await made.check(check_options(target.url))).result is Result.UP

    assert reused == [False] * 3
    assert context.session_stats()["hits"] == 0


@on_both_loops
async def test_a_handshake_that_ends_in_an_unforeseen_error_is_not_measured(monkeypatch):
    def broken(_chain):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(chains, "earliest_end_s", broken)
    async with TargetServer(tls=targets_tls.certified("127.0.0.1")) as target, prober() as made:
        outcome = await made.check(check_options(target.url))
        await target.idle()

    assert outcome.result is Result.NOT_MEASURED
