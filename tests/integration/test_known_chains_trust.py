"""A chain that is known proves nothing by itself, and one website's options decide no other's."""

from __future__ import annotations

import ssl

import pytest

from monitor.domain.outcome import Reason, Result
from support import targets_tls
from support.factories import check_options
from support.scripted_tls import Script, ScriptedServer, fine
from support.targets_loops import on_both_loops
from support.tls_chains import rsa_key, serving, stolen_key
from support.tls_known import probers
from support.tls_situations import HOST, Act, once, whole

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

EXCHANGES = {
    "TLS 1.3, ECDSA": ("1.3", None, None),
    "TLS 1.3, RSA": ("1.3", None, "RSA"),
    "TLS 1.2, ECDHE and ECDSA": ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", None),
    "TLS 1.2, ECDHE and RSA": ("1.2", "ECDHE-RSA-AES128-GCM-SHA256", "RSA"),
    "TLS 1.2, DHE and RSA": ("1.2", "DHE-RSA-AES128-GCM-SHA256", "RSA"),
    "TLS 1.2, RSA alone": ("1.2", "AES128-GCM-SHA256", "RSA"),
}


def act(chain, version, ciphers, key=None):
    def configure(context):
        if ciphers:
            context.set_ciphers(ciphers)
        if ciphers and ciphers.startswith("DHE"):
            targets_tls.load_dhe(context, 2048)

    return Act(chain=lambda: chain, key=key, configure=configure).served(version)


@pytest.mark.parametrize("exchange", EXCHANGES)
@on_both_loops
async def test_who_shows_a_known_chain_without_its_key_gets_no_request(exchange):
    version, ciphers, kind = EXCHANGES[exchange]
    chain = whole(key=rsa_key(use="victim") if kind else None)
    real = act(chain, version, ciphers)
    impostor = act(chain, version, ciphers, stolen_key(chain[0]))
    async with probers() as pair, ScriptedServer() as server:
        options = check_options(server.url(HOST), http_method="POST", request_body="secret")
        for made in pair:
            # given a server whose chain is known
            server.serve(real)
            assert (await made.check(options)).result is Result.UP
            for _ in range(2):
                # when another shows it
                server.serve(impostor)
                before = server.handshakes
                outcome = await made.check(options)

                # then it is refused, and no handshake with it was completed
                assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.TLS_ERROR)
                assert (server.requests, server.handshakes) == (0, before)
            server.serve(real)
            assert (await made.check(options)).result is Result.UP


@on_both_loops
async def test_a_chain_that_is_known_for_one_name_is_not_for_another():
    script = Act(chain=whole).served("1.3")
    async with probers() as (_, made), ScriptedServer() as server:
        server.serve(script)
        for _ in range(2):
            known = await made.check(check_options(server.url(HOST)))
            other = await made.check(check_options(server.url("other.test")))
            address = await made.check(check_options(server.url()))

            assert known.result is Result.UP
            assert (other.reason, address.reason) == (Reason.TLS_HOSTNAME, Reason.TLS_HOSTNAME)
        assert server.requests == 2


@on_both_loops
async def test_a_chain_that_is_known_for_one_port_is_not_for_another():
    chain = whole()
    async with probers() as (_, made), ScriptedServer() as one, ScriptedServer() as two:
        one.serve(Act(chain=lambda: chain).served("1.3"))
        assert (await made.check(check_options(one.url(HOST)))).result is Result.UP

        # a chain of another name is not compared with anything there: it is verified at once
        two.serve(Act(chain=lambda: whole("other.test")).served("1.3"))
        outcome = await made.check(check_options(two.url(HOST)))

    assert (outcome.reason, two.accepted) == (Reason.TLS_HOSTNAME, 1)


OPTIONS = {
    "unverified": {"verify_ssl": False},
    "unverified, from TLS 1.2 on": {"verify_ssl": False, "tls_min_version": "1.2"},
    "from TLS 1.0 on": {"tls_min_version": "1.0"},
    "from TLS 1.1 on": {"tls_min_version": "1.1"},
    "from TLS 1.3 on": {"tls_min_version": "1.3"},
}


async def connections_of(made, server, script, **options):
    """How many connections one check of this takes, which finds the website up."""
    server.serve(script)
    outcome = await made.check(check_options(server.url(HOST), **options))
    assert outcome.result is Result.UP, outcome
    return server.accepted


@pytest.mark.parametrize("kind", OPTIONS)
@on_both_loops
async def test_options_of_a_website_s_own_neither_fill_nor_read_what_is_known(kind):
    first, second, third = (Act(chain=once(whole)).served("1.3") for _ in range(3))
    async with probers() as (_, made), ScriptedServer() as server:
        # what it has seen is not known to a usual website
        assert await connections_of(made, server, first, **OPTIONS[kind]) == 1
        assert await connections_of(made, server, second) == 1

        # and what that has seen is not to it: were it compared, it would connect twice
        assert await connections_of(made, server, third, **OPTIONS[kind]) == 1
        assert await connections_of(made, server, second) == 1

        # while the usual one has known all the time what it saw
        assert await connections_of(made, server, first) == 2


@pytest.mark.parametrize("chain", [lambda: whole("other.test"), lambda: whole()[:1]])
@on_both_loops
async def test_what_nobody_verified_is_not_believed_later(chain):
    bad = Act(chain=once(chain)).served("1.3")
    async with probers() as pair, ScriptedServer() as server:
        for made in pair:
            server.serve(bad)
            url = server.url(HOST)
            for _ in range(2):
                unlooked = await made.check(check_options(url, verify_ssl=False))
                looked = await made.check(check_options(url))
                assert unlooked.result is Result.UP
                assert looked.reason in {Reason.TLS_HOSTNAME, Reason.TLS_UNTRUSTED}


@on_both_loops
async def test_a_known_chain_does_not_make_an_old_version_good_enough():
    chain = whole()
    new, old = (Act(chain=lambda: chain).served(version) for version in ("1.3", "1.2"))
    older = Script(serving(*chain), fine)
    older.context.minimum_version = older.context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with probers() as pair, ScriptedServer() as server:
        for made in pair:
            url = server.url(HOST)
            server.serve(new)
            assert (await made.check(check_options(url))).result is Result.UP

            server.serve(old)
            outcome = await made.check(check_options(url, tls_min_version="1.3"))
            assert outcome.reason is Reason.TLS_ERROR
            assert (await made.check(check_options(url))).result is Result.UP

            server.serve(older)
            assert (await made.check(check_options(url))).reason is Reason.TLS_ERROR
            outcome = await made.check(check_options(url, tls_min_version="1.0"))
            assert outcome.result is Result.UP
            assert (await made.check(check_options(url))).reason is Reason.TLS_ERROR
