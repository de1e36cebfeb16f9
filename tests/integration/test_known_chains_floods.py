"""What a server of a known chain may say that is no data is bounded, and is found as ever."""

from __future__ import annotations

import pytest

from monitor.domain.outcome import Reason, Result
from support.factories import check_options
from support.scripted_tls import OK, Connection, Script, ScriptedServer
from support.targets_checks import prober
from support.targets_loops import on_both_loops
from support.tls_floods import FLOODS, context, scripted
from support.tls_records import ALERT, DATA, HANDSHAKE, HELLO_REQUEST, Sealer
from support.tls_situations import Act, intermediate, issued, leaf, trust

MOST_BYTES = 8 << 20
"""What a flooding server gets rid of before it is left: most of it is in the kernel's buffers."""

NAMES = [pytest.param(f, id=f"{f.name}-{f.version}") for f in FLOODS]


@pytest.fixture
def sent(monkeypatch):
    """How many bytes servers have sent, in all."""
    total = [0]
    raw = Connection.raw

    async def counted(self, data):
        total[0] += len(data)
        await raw(self, data)

    monkeypatch.setattr(Connection, "raw", counted)
    return total


@pytest.mark.parametrize("flood", NAMES)
@on_both_loops
async def test_what_is_no_data_is_bounded(flood, sent):
    wait_s = 1 if flood.reason is Reason.RESPONSE_TIMEOUT else 20
    async with prober(trust=trust()) as made, ScriptedServer() as server:
        # given a server whose chain is known
        server.serve(Script(context(flood.version)))
        options = check_options(server.url(), request_timeout=wait_s)
        assert (await made.check(options)).result is Result.UP

        # when it floods a fast handshake's connection, and a verified one's
        for _ in range(2):
            server.serve(scripted(flood))
            outcome = await made.check(options)
            assert outcome.reason is flood.reason, outcome
            assert flood.evidence in outcome.evidence
            assert (server.accepted, server.requests) == (1, 1)
        assert sent[0] < MOST_BYTES
        assert server.resumed == 0


@pytest.mark.parametrize(("count", "reason"), [(150, None), (600, Reason.TLS_ERROR)])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@on_both_loops
async def test_a_giant_chain_is_taken_up_to_the_limit_of_openssl(count, reason, version):
    extra = issued("one of many", "many.test", by=intermediate())
    end = leaf("127.0.0.1")
    giant = Act(chain=lambda: [end, intermediate(), *[extra] * count])
    plain = Act(chain=lambda: [end, intermediate()])
    async with prober(trust=trust()) as made, ScriptedServer() as server:
        options = check_options(server.url())
        server.serve(plain.served(version))
        assert (await made.check(options)).result is Result.UP
        for act in (giant, giant, plain, giant):
            server.serve(act.served(version))
            outcome = await made.check(options)
            assert outcome.reason is (reason if act is giant else None), outcome


@pytest.mark.parametrize("known_chains", [0, 100])
@pytest.mark.parametrize("verify_ssl", [True, False])
@on_both_loops
async def test_nobody_renegotiates(known_chains, verify_ssl):
    # given a server that asks to begin a new handshake, in which it might show another certificate
    kinds = []

    async def behave(connection):
        await connection.request()
        sealer = Sealer(connection)
        await connection.raw(sealer.seal(HANDSHAKE, HELLO_REQUEST))
        kinds.append((await connection.reader.readexactly(5))[0])
        await connection.raw(sealer.seal(DATA, OK))

    async with prober(trust=trust(), known_chains=known_chains) as made, ScriptedServer() as server:
        server.serve(Script(context("1.2"), behave))
        for _ in range(2):
            outcome = await made.check(check_options(server.url(), verify_ssl=verify_ssl))
            assert outcome.result is Result.UP

    # then the answer is a no (RFC 5246, section 7.2.2), and no hello
    assert kinds == [ALERT, ALERT]
