"""One attempt stays one attempt: what a server of a known chain does is seen as often as ever."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.net import shared_answers
from monitor.probes.net.address_policy import AddressPolicy
from support import targets_tls
from support.dns import DnsServer
from support.factories import check_options
from support.scripted_tls import CLOSED, OK, RESET, STALLED, ScriptedServer, says
from support.targets import TargetServer
from support.targets_checks import LOOPBACK_ONLY, prober
from support.targets_loops import on_both_loops
from support.tls_known import probers
from support.tls_situations import HOST, Act, once, trust, whole

on_uvloop = pytest.mark.asyncio(loop_factories=["uvloop"])
"""Where waiting is what is tested, and dear."""


def served(version="1.3", *names, **script):
    return Act(chain=once(lambda: whole(*(names or (HOST,)))), script=script).served(version)


@pytest.mark.parametrize("records", [0, 1, 4])
@pytest.mark.parametrize("ending", [RESET, CLOSED])
@on_both_loops
async def test_a_server_that_breaks_one_handshake_in_ten_is_down_as_often(ending, records):
    # given the same luck for both probers
    good = served()
    roll = random.Random(7).random
    luck = [roll() < 0.1 for _ in range(60)]
    scripts = [replace(good, records=records, ending=ending) if bad else good for bad in luck]
    assert sum(luck) > 3
    async with probers() as pair, ScriptedServer() as server:
        options = check_options(server.url(HOST))
        for made in pair:
            server.serve(good)
            assert (await made.check(options)).result is Result.UP
            server.serve(*scripts, good)
            outcomes = [await made.check(options) for _ in scripts]

            # then each connection that broke was a check that failed
            assert [o.result is Result.DOWN for o in outcomes] == luck
            assert server.accepted == len(scripts)


@on_both_loops
async def test_a_request_is_sent_once_whichever_certificate_is_served():
    # given a server with as many certificates as connections
    many = [served() for _ in range(12)]
    async with probers() as (_, made), ScriptedServer() as server:
        options = check_options(server.url(HOST), http_method="POST", request_body="x" * 100_000)
        server.serve(*many)
        for number in range(1, 7):
            assert (await made.check(options)).result is Result.UP
            assert server.requests == number
        assert server.resumed == 0


@on_both_loops
async def test_four_certificates_in_turn_are_all_known():
    several = [served() for _ in range(4)]
    async with probers() as (_, made), ScriptedServer() as server:
        options = check_options(server.url(HOST))
        connections = []
        for one in several * 2:
            server.serve(one)
            assert (await made.check(options)).result is Result.UP
            connections.append(server.accepted)

    assert connections == [1, 2, 2, 2, 1, 1, 1, 1]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@on_both_loops
async def test_a_good_certificate_in_turn_with_a_bad_one_is_down_when_that_is_met(version):
    good = served(version)
    bad = served(version, "other.test")
    async with probers() as pair, ScriptedServer() as server:
        options = check_options(server.url(HOST))
        for made in pair:
            for first in (good, bad, good, bad, bad, good):
                server.serve(first)
                outcome = await made.check(options)
                assert outcome.reason is (None if first is good else Reason.TLS_HOSTNAME)


class Fickle(AddressPolicy):
    """Allows loopback until it is told not to."""

    allows = True

    def refuses(self, address):
        return not self.allows or LOOPBACK_ONLY.refuses(address)


@on_both_loops
async def test_the_second_connection_asks_the_address_policy_again():
    policy = Fickle()

    class Turning(ScriptedServer):
        def _accept(self, reader, writer):
            policy.allows = False  # while the first connection stands
            super()._accept(reader, writer)

    async with (
        DnsServer({}, otherwise=["127.0.0.1"]) as dns,
        prober(policy=policy, trust=trust(), dns_servers=[dns.address]) as made,
        Turning() as server,
    ):
        options = check_options(server.url(HOST))
        server.serve(served())
        assert (await made.check(options)).result is Result.UP
        policy.allows = True
        server.serve(served())
        outcome = await made.check(options)

        assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.BLOCKED_TARGET)
        assert (server.accepted, server.requests) == (1, 0)


@on_uvloop
async def test_the_second_connection_goes_where_the_first_went(monkeypatch):
    # given a name that leads elsewhere as soon as it is looked up once more
    monkeypatch.setattr(shared_answers, "MAX_AGE_S", 0.2)
    async with (
        TargetServer(tls=targets_tls.certified(HOST), host="127.0.0.2") as inside,
        DnsServer({HOST: ["127.0.0.1"]}) as dns,
        prober(trust=trust(), dns_servers=[dns.address]) as made,
        ScriptedServer(port=inside.port) as server,
    ):
        options = check_options(server.url(HOST))
        server.serve(served())
        assert (await made.check(options)).result is Result.UP
        # when it is by the time that the first connection is discarded
        server.serve(replace(served(), delay_s=0.5), served())
        task = asyncio.ensure_future(made.check(options))
        await server.connected.wait()
        dns.table[HOST], asked = ["127.0.0.2"], len(dns.queries)
        outcome = await task

        # then nobody has asked
        assert outcome.result is Result.UP
        assert (server.accepted, inside.accepted) == (2, 0)
        assert len(dns.queries) == asked


@on_uvloop
async def test_what_was_discarded_takes_nothing_of_the_time_nor_of_what_is_measured():
    # given a server that takes most of the time of a check for a handshake
    slow = {"delay_s": 1.2}
    async with probers() as (_, made), ScriptedServer() as server:
        options = check_options(server.url(HOST), request_timeout=2)
        server.serve(served())
        assert (await made.check(options)).result is Result.UP
        server.serve(served(**slow))
        outcome = await made.check(options)

    # then both of the two fitted, and one of them was measured
    assert server.accepted == 2
    assert outcome.result is Result.UP, outcome
    assert 1100 < outcome.timings.tls_ms < 2000
    assert outcome.response_ms < 2000


@on_both_loops
async def test_only_one_connection_of_a_check_is_given_for_free():
    # given a website of two servers whose chains have both changed
    async with probers() as (_, made), ScriptedServer() as end, ScriptedServer() as begin:
        leads = f"HTTP/1.1 302 Found\r\nLocation: {end.url(HOST)}\r\nContent-Length: 0\r\n\r\n"
        options = check_options(begin.url(HOST))
        for _ in range(2):
            begin.serve(served(behaviour=says(leads.encode())))
            end.serve(served())
            assert (await made.check(options)).result is Result.UP

    # then the second one is not tried fast
    assert (begin.accepted, end.accepted) == (2, 1)


@on_both_loops
async def test_behind_a_redirect_no_recovery_rests_on_a_fast_handshake():
    async with probers() as (_, made), ScriptedServer() as end, ScriptedServer() as begin:
        leads = f"HTTP/1.1 302 Found\r\nLocation: {end.url(HOST)}\r\nContent-Length: 0\r\n\r\n"
        options = check_options(begin.url(HOST))
        good = served(behaviour=says(leads.encode()))
        begin.serve(good)
        end.serve(served())
        assert (await made.check(options)).result is Result.UP

        # when the first server failed, and the chain of the second has changed meanwhile
        begin.serve(replace(good, records=1, ending=RESET))
        assert (await made.check(options)).result is Result.DOWN
        begin.serve(good)
        end.serve(served())
        assert (await made.check(options)).result is Result.UP

    assert (begin.accepted, end.accepted) == (1, 1)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("records", [0, 1, 3.5, 5])
@on_both_loops
async def test_a_server_that_stalls_behind_a_changed_chain_is_down_within_its_time(
    version, records
):
    changed = served(version, "other.test")
    stalling = replace(changed, records=records, ending=STALLED)
    async with probers() as (_, made), ScriptedServer() as server:
        server.serve(served(version))
        url = server.url(HOST)
        assert (await made.check(check_options(url))).result is Result.UP

        server.serve(stalling)
        clock = asyncio.get_running_loop().time
        began_s = clock()
        outcome = await made.check(check_options(url, request_timeout=1))
        took_s = clock() - began_s

        assert outcome.reason in {Reason.TLS_TIMEOUT, Reason.TLS_HOSTNAME}
        assert took_s < 3
        assert outcome.timings.tls_ms <= 1500

        # and a chain that comes whole is judged in the same check, as one that is not known
        server.serve(changed)
        assert (await made.check(check_options(url))).reason is Reason.TLS_HOSTNAME
        assert server.accepted == 1


@on_both_loops
async def test_after_a_failure_of_any_kind_the_verdict_is_that_of_a_verified_handshake():
    # given a server whose chain is known, which has failed
    good, changed = served(), served()
    async with probers() as (_, made), ScriptedServer() as server:
        options = check_options(server.url(HOST), request_timeout=5)
        for failing in (
            replace(good, behaviour=says(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")),
            replace(good, behaviour=says(b"nonsense\r\n\r\n")),
            replace(good, records=1, ending=RESET),
        ):
            server.serve(good)
            assert (await made.check(options)).result is Result.UP
            server.serve(failing)
            assert (await made.check(options)).result is Result.DOWN

            # then the next check takes no notice of what is known: one connection is enough
            server.serve(changed)
            assert (await made.check(options)).result is Result.UP
            assert server.accepted == 1


@on_both_loops
async def test_a_slow_check_forgets_nothing():
    # given a website that is known, and one that takes its time for its first answer
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection):
        await connection.request()
        begun.set()
        await go_on.wait()
        await connection.write(OK)

    async with probers() as (_, made), ScriptedServer() as one, ScriptedServer() as two:
        known, other = (check_options(server.url(HOST)) for server in (one, two))
        one.serve(served())
        two.serve(served(behaviour=slow))
        checking = asyncio.ensure_future(made.check(other))
        await begun.wait()
        for _ in range(2):
            assert (await made.check(known)).result is Result.UP
        go_on.set()
        assert (await checking).result is Result.UP

        # then both are: a changed chain takes a second connection
        for server, options in ((one, known), (two, other)):
            server.serve(served())
            assert (await made.check(options)).result is Result.UP
            assert server.accepted == 2
