"""Checks of one slot share what the DNS says, and say so; other slots ask again."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.net import shared_answers
from monitor.probes.net.hosts_file import HostsFile
from monitor.probes.net.resolver import Resolver
from support.dns import NXDOMAIN, SERVFAIL, SILENT, DnsServer
from support.factories import check_options
from support.targets import TargetServer, answers, by_path, redirects
from support.targets_checks import prober
from support.targets_loops import on_both_loops

A, AAAA, SOA = 1, 28, 6
SLOT, NEXT_SLOT = 1_000, 1_030
NAME = "shop.test"


def with_ttl(seconds, *address):
    """An answer whose only address has this time to live."""

    def answer(query):
        end = query.index(b"\0", 12) + 5
        head = query[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0)
        return head + query[12:end] + struct.pack("!HHHIH4B", 0xC00C, A, 1, seconds, 4, *address)

    return answer


def gone_for_an_hour(query):
    """NXDOMAIN that resolvers may keep for an hour (RFC 2308, section 3)."""
    end = query.index(b"\0", 12) + 5
    head = query[:2] + struct.pack("!5H", 0x8183, 1, 0, 1, 0)
    data = b"\0\0" + struct.pack("!5I", 1, 3600, 3600, 3600, 3600)
    return head + query[12:end] + struct.pack("!HHHIH", 0xC00C, SOA, 1, 3600, len(data)) + data


@pytest.fixture
def hosts_file_alone(monkeypatch):
    """Lookups of which our own queries know nothing: all are c-ares' to answer."""
    names = frozenset({NAME})
    monkeypatch.setattr(HostsFile, "names", lambda _: names)


@asynccontextmanager
async def named(answer=("127.0.0.1",), behaviour=None):
    """A website, the name server that says this of its name, and a prober that asks it."""
    async with (
        TargetServer(behaviour or answers()) as target,
        DnsServer({NAME: list(answer) if isinstance(answer, tuple) else answer}) as dns,
        prober(dns_servers=[dns.address]) as checks,
    ):
        yield target, dns, checks


def phases(outcomes):
    return [(o.result, o.timings.dns_ms > 0, o.timings.dns_shared) for o in outcomes]


MEASURED, SHARED = (Result.UP, True, False), (Result.UP, False, True)


@on_both_loops
async def test_checks_of_a_slot_share_an_answer_and_say_so():
    async with named() as (target, dns, checks):
        options = check_options(target.url_of(host=NAME))
        outcomes = [await checks.check(options, slot_s=SLOT) for _ in range(3)]

    assert phases(outcomes) == [MEASURED, SHARED, SHARED]
    assert outcomes[1].timings.dns_ms == 0
    assert dns.queries == [(NAME, A)]


@on_both_loops
async def test_concurrent_checks_share_a_query_and_one_of_them_its_time():
    async with named() as (target, dns, checks):
        dns.late_s[NAME] = 0.3
        options = check_options(target.url_of(host=NAME))
        # of different slots, too: it is the answer of now for both
        slots = [SLOT, SLOT, NEXT_SLOT, None]
        outcomes = await asyncio.gather(*(checks.check(options, slot_s=slot) for slot in slots))

    assert phases(outcomes) == [MEASURED, SHARED, SHARED, SHARED]
    assert outcomes[0].timings.dns_ms >= 299
    assert max(o.response_ms for o in outcomes[1:]) < 299
    assert dns.queries == [(NAME, A)]


@on_both_loops
async def test_every_slot_asks_and_sees_a_name_server_that_died():
    async with named() as (target, dns, checks):
        options = check_options(target.url_of(host=NAME), request_timeout=1)
        first = await checks.check(options, slot_s=SLOT)
        dns.table[NAME] = SILENT
        second = await checks.check(options, slot_s=NEXT_SLOT)

    assert first.result is Result.UP
    assert second.reason is Reason.DNS_TIMEOUT
    assert not second.timings.dns_shared
    assert second.timings.dns_ms > 0


@on_both_loops
async def test_checks_without_a_slot_ask_each():
    async with named() as (target, dns, checks):
        options = check_options(target.url_of(host=NAME))
        outcomes = [await checks.check(options) for _ in range(2)]

    assert phases(outcomes) == [MEASURED, MEASURED]
    assert dns.queries == [(NAME, A)] * 2


@pytest.mark.parametrize(("ttl_s", "shared"), [(0, False), (60, True)])
@on_both_loops
async def test_an_answer_is_never_shared_beyond_its_ttl(ttl_s, shared):
    async with named(with_ttl(ttl_s, 127, 0, 0, 1)) as (target, _, checks):
        options = check_options(target.url_of(host=NAME))
        outcomes = [await checks.check(options, slot_s=SLOT) for _ in range(2)]

    assert phases(outcomes) == [MEASURED, SHARED if shared else MEASURED]


@on_both_loops
async def test_an_answer_is_shared_for_a_bounded_time(monkeypatch):
    monkeypatch.setattr(shared_answers, "MAX_AGE_S", 0.2)
    async with DnsServer({NAME: ["127.0.0.1"]}) as dns:
        resolver = Resolver([dns.address])
        before = [(await resolver.lookup_first(NAME, SLOT)).shared for _ in range(2)]
        await asyncio.sleep(0.25)  # its time passes
        after = await resolver.lookup_first(NAME, SLOT)
        await resolver.close()

    assert before == [False, True]
    assert not after.shared


@on_both_loops
async def test_a_redirect_to_the_same_host_needs_no_second_lookup():
    async with named(behaviour=by_path({"/": redirects("/there"), "/there": answers(200)})) as (
        target,
        dns,
        checks,
    ):
        options = check_options(target.url_of(host=NAME))
        outcome = await checks.check(options)

    assert len(target.requests) == 2
    assert dns.queries == [(NAME, A)]
    # and the look-up was its own
    assert phases([outcome]) == [MEASURED]


@pytest.mark.parametrize("answer", [NXDOMAIN, SERVFAIL, gone_for_an_hour])
@on_both_loops
async def test_a_failure_is_shared_with_nobody_later(answer):
    async with named(answer) as (target, dns, checks):
        options = check_options(target.url_of(host=NAME))
        first = await checks.check(options, slot_s=SLOT)
        dns.table[NAME] = ["127.0.0.1"]
        second = await checks.check(options, slot_s=SLOT)

    assert first.reason is Reason.DNS_ERROR
    assert not first.timings.dns_shared
    assert phases([second]) == [MEASURED]


@on_both_loops
async def test_c_ares_keeps_no_failure_either():
    async with DnsServer({NAME: gone_for_an_hour}) as dns:
        resolver = Resolver([dns.address])
        resolver._stub.close()
        assert await resolver.lookup_first(NAME, SLOT) is None
        dns.table[NAME] = ["127.0.0.1"]
        async with asyncio.timeout(5):  # it is flushed by a thread of c-ares'
            while await resolver.lookup_first(NAME, SLOT) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await resolver.close()


@on_both_loops
async def test_lookups_by_c_ares_share_as_well(hosts_file_alone):
    async with named() as (target, dns, checks):
        options = check_options(target.url_of(host=NAME))
        together = await asyncio.gather(*(checks.check(options, slot_s=SLOT) for _ in range(3)))
        later = await checks.check(options, slot_s=SLOT)

    assert phases([*together, later]) == [MEASURED, SHARED, SHARED, SHARED]
    assert dns.queries == [(NAME, A)]


@on_both_loops
async def test_a_cancelled_lookup_by_c_ares_does_not_affect_others():
    async with DnsServer({NAME: ["127.0.0.1", "::1"]}) as dns:
        dns.late_s[NAME] = 0.2
        resolver = Resolver([dns.address])
        first, second = (asyncio.create_task(resolver.lookup(NAME)) for _ in range(2))
        await dns.asked.wait()
        first.cancel()
        addresses, shared = await second
        await resolver.close()

    assert (addresses, shared) == (["127.0.0.1", "::1"], True)
    assert sorted(dns.queries) == [(NAME, A), (NAME, AAAA)]


@on_both_loops
async def test_a_name_is_looked_up_anew_where_a_shared_address_does_not_answer():
    # given an answer from before the name moved
    async with (
        TargetServer(host="127.0.0.8") as target,
        DnsServer({NAME: ["127.0.0.9"]}) as dns,
        prober(dns_servers=[dns.address]) as checks,
    ):
        options = check_options(target.url_of(host=NAME))
        before = await checks.check(options, slot_s=SLOT)
        dns.table[NAME] = ["127.0.0.8"]
        async with asyncio.timeout(5):  # c-ares' cache is flushed by a thread of its own
            while (after := await checks.check(options, slot_s=SLOT)).result is not Result.UP:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    assert before.reason is Reason.CONNECTION_REFUSED
    assert after.timings.dns_shared
    assert after.timings.dns_ms > 0
