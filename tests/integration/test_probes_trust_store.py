"""A process trusts whom its host trusts, and takes note when that changes."""

from __future__ import annotations

import asyncio

import pytest
import trustme

from monitor.domain.outcome import Reason, Result
from monitor.probes.net import trust_store
from monitor.probes.net.trust_store import NoAuthorities, TrustStore
from support import targets_tls
from support.factories import check_options
from support.targets import TargetServer
from support.targets_checks import prober

OURS = targets_tls.trust()
STRANGER = trustme.CA().cert_pem.bytes().decode()


@pytest.fixture
def store(monkeypatch, tmp_path):
    """The host's store: a file with the authority of the tests."""
    path = tmp_path / "ca-certificates.crt"
    path.write_text(OURS + STRANGER)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    return path


def _replaced(path, text):
    """As distributions do it: at once."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def test_an_authority_that_was_removed_vouches_for_nobody_any_more(store):
    # given a website whose chain is known
    context = targets_tls.certified("127.0.0.1")
    async with TargetServer(tls=context) as target, prober(trust=None) as made:
        options = check_options(target.url)
        for _ in range(2):
            assert (await made.check(options)).result is Result.UP
        assert len(made._handshakes.known) == 1
        # when
        _replaced(store, STRANGER)
        await made._store.look()
        # then
        assert len(made._handshakes.known) == 0
        outcome = await made.check(options)

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.TLS_UNTRUSTED)


async def test_what_was_verified_before_the_store_changed_is_not_known_after(store):
    # given a check that has verified a chain and waits for its answer
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(exchange):
        await exchange.request()
        asked.set()
        await go_on.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    context = targets_tls.certified("127.0.0.1")
    async with TargetServer(slow, context) as target, prober(trust=None) as made:
        check = asyncio.create_task(made.check(check_options(target.url)))
        await asked.wait()
        # when
        _replaced(store, STRANGER)
        await made._store.look()
        go_on.set()
        # then
        assert (await check).result is Result.UP
        assert len(made._handshakes.known) == 0


async def test_it_is_looked_at_again_and_again(store):
    renewed = asyncio.Event()
    watch = TrustStore(lambda _: renewed.set(), interval_s=0.01, settled_s=0.0)
    try:
        _replaced(store, OURS)
        await asyncio.wait_for(renewed.wait(), 10)
    finally:
        await watch.close()


async def test_an_authority_is_refused_within_two_minutes():
    assert trust_store.INTERVAL_S + 2 * trust_store.SETTLED_S < 120


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nMIIB"], ids=["empty", "half"])
async def test_a_store_that_cannot_be_read_is_tried_again_and_changes_nothing(store, text):
    renewals = []
    watch = TrustStore(renewals.append, interval_s=3600, settled_s=0.0)
    try:
        await asyncio.sleep(0)
        store.write_text(text)
        for _ in range(2):
            with pytest.raises((OSError, NoAuthorities)):
                await watch.look()
        assert renewals == []
        # until it is whole
        store.write_text(OURS)
        await watch.look()
    finally:
        await watch.close()

    assert [len(contexts.get().get_ca_certs()) for contexts in renewals] == [1]


@pytest.mark.parametrize("change", ["added", "removed", "replaced"])
async def test_a_change_in_the_directory_is_seen(monkeypatch, tmp_path, change):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    (tmp_path / "one.pem").write_text(OURS)
    before = trust_store.snapshot()
    if change == "added":
        (tmp_path / "two.pem").write_text(STRANGER)
    elif change == "removed":
        (tmp_path / "one.pem").unlink()
    else:
        (tmp_path / "one.pem").write_text(STRANGER + STRANGER)

    assert trust_store.snapshot() != before


def test_where_the_host_has_no_store_certifi_s_is_looked_at(monkeypatch, tmp_path):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))

    ((path, *_),) = trust_store.snapshot()

    assert "certifi" in path
