"""An authority that is removed from the trust store of a running prober is believed no longer."""

from __future__ import annotations

import asyncio
import os

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.net import trust_store
from support.dns import DnsServer
from support.factories import check_options
from support.scripted_tls import OK, ScriptedServer
from support.targets_checks import prober
from support.targets_loops import on_both_loops
from support.tls_chains import authority
from support.tls_situations import HOST, Act, once, root, whole


@pytest.fixture
def store(monkeypatch, tmp_path):
    """A file of authorities that is the system's; ``write`` them anew."""
    monkeypatch.setattr(
        trust_store.TrustStore.__init__,
        "__kwdefaults__",
        {"interval_s": trust_store.INTERVAL_S, "settled_s": 0.01},
    )
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities.pem"))

    def write(*authorities):
        unfinished = tmp_path / "unfinished.pem"
        unfinished.write_text("".join(link.pem for link in authorities))
        os.replace(unfinished, tmp_path / "authorities.pem")  # noqa: PTH105 # at once

    write(root())
    return write


def elsewhere():
    return authority("an authority elsewhere")


async def up(made, server):
    outcome = await made.check(check_options(server.url(HOST)))
    assert outcome.result is Result.UP, outcome
    return server.accepted


@on_both_loops
async def test_an_authority_that_was_removed_is_refused_after_the_next_look(store):
    async with (
        DnsServer({HOST: ["127.0.0.1"]}) as dns,
        prober(trust=None, dns_servers=[dns.address]) as made,
        ScriptedServer() as server,
    ):
        # given a known chain
        server.serve(Act(chain=once(whole)).served("1.3"))
        for _ in range(2):
            await up(made, server)

        # when its authority is removed
        store(elsewhere())
        await up(made, server)
        await made._store.look()

        # then it is known no longer, and nobody vouches for it
        for _ in range(2):
            outcome = await made.check(check_options(server.url(HOST)))
            assert outcome.reason is Reason.TLS_UNTRUSTED

        # and once it is back, so is the website
        store(elsewhere(), root())
        await made._store.look()
        await up(made, server)


@on_both_loops
async def test_what_was_verified_by_the_authorities_of_before_is_not_known_after(store):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection):
        await connection.request()
        begun.set()
        await go_on.wait()
        await connection.write(OK)

    chain = once(whole)
    async with (
        DnsServer({HOST: ["127.0.0.1"]}) as dns,
        prober(trust=None, dns_servers=[dns.address]) as made,
        ScriptedServer() as server,
    ):
        # given a check that was verified when the authority is removed, and ends after that
        server.serve(Act(chain=chain, behaviour=slow).served("1.3"))
        checking = asyncio.ensure_future(made.check(check_options(server.url(HOST))))
        await begun.wait()
        store(elsewhere())
        await made._store.look()
        go_on.set()
        assert (await checking).result is Result.UP

        # then the next one is verified by those of now
        server.serve(Act(chain=chain).served("1.3"))
        outcome = await made.check(check_options(server.url(HOST)))

    assert (outcome.reason, server.accepted) == (Reason.TLS_UNTRUSTED, 1)


@on_both_loops
async def test_a_look_that_finds_no_change_forgets_nothing(store):
    async with (
        DnsServer({HOST: ["127.0.0.1"]}) as dns,
        prober(trust=None, dns_servers=[dns.address]) as made,
        ScriptedServer() as server,
    ):
        server.serve(Act(chain=whole).served("1.3"))
        await up(made, server)
        await made._store.look()
        server.serve(Act(chain=whole).served("1.3"))
        assert await up(made, server) == 2


@on_both_loops
async def test_a_broken_store_changes_nothing(store, tmp_path):
    async with (
        DnsServer({HOST: ["127.0.0.1"]}) as dns,
        prober(trust=None, dns_servers=[dns.address]) as made,
        ScriptedServer() as server,
    ):
        server.serve(Act(chain=whole).served("1.3"))
        await up(made, server)
        for broken in ("", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            (tmp_path / "authorities.pem").write_text(broken)
            with pytest.raises((trust_store.NoAuthorities, OSError)):
                await made._store.look()
            await up(made, server)


@on_both_loops
async def test_a_running_prober_looks_by_itself(store, monkeypatch):
    defaults = {"interval_s": 0.05, "settled_s": 0.01}
    monkeypatch.setattr(trust_store.TrustStore.__init__, "__kwdefaults__", defaults)
    renewed = asyncio.Event()
    async with prober(trust=None) as made, ScriptedServer() as server:
        server.serve(Act(chain=once(lambda: whole("127.0.0.1"))).served("1.3"))
        options = check_options(server.url())
        assert (await made.check(options)).result is Result.UP
        trust_anew = made._handshakes.trust_anew

        def noted(contexts):
            trust_anew(contexts)
            renewed.set()

        monkeypatch.setattr(made._handshakes, "trust_anew", noted)
        store(elsewhere())
        await asyncio.wait_for(renewed.wait(), 20)
        assert (await made.check(options)).reason is Reason.TLS_UNTRUSTED
