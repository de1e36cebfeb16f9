"""Names: what the DNS says, or does not say, decides the outcome."""

from __future__ import annotations

import asyncio
import socket

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.net.resolver import All, Resolver
from support.dns import NXDOMAIN, REFUSED, SERVFAIL, SILENT, DnsServer
from support.factories import check_options
from support.targets import TargetServer
from support.targets_checks import check, prober
from support.targets_loops import on_both_loops

A, AAAA = 1, 28
"""Types of queries (RFC 1035, section 3.2.2; RFC 3596, section 2.1)."""


@pytest.mark.parametrize(
    ("answer", "evidence"),
    [
        (NXDOMAIN, "shop.test: there is no such name"),
        ([], "shop.test: the name has no address"),
        (SERVFAIL, "shop.test: the DNS server failed (SERVFAIL)"),
        (REFUSED, "shop.test: the DNS server refused the query (REFUSED)"),
    ],
)
@on_both_loops
async def test_a_name_without_addresses(answer, evidence):
    async with DnsServer({"shop.test": answer}) as dns:
        outcome = await check("http://shop.test/", dns_servers=[dns.address])

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.DNS_ERROR)
    assert outcome.evidence == evidence
    assert outcome.timings.dns_ms > 0
    assert outcome.timings.connect_ms == 0


@on_both_loops
async def test_a_silent_server_is_waited_for_until_the_deadline():
    async with DnsServer({"shop.test": SILENT}) as dns:
        outcome = await check("http://shop.test/", dns_servers=[dns.address], request_timeout=1)

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.DNS_TIMEOUT)
    assert outcome.evidence == "no answer within 1 s (looking up shop.test)"
    assert 900 < outcome.timings.dns_ms < 1900


@on_both_loops
async def test_without_a_dns_server_nothing_is_measured():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    outcome = await check("http://shop.test/", dns_servers=[f"127.0.0.1:{port}"])

    assert (outcome.result, outcome.reason) == (Result.NOT_MEASURED, Reason.REGION_OFFLINE)


@on_both_loops
async def test_a_name_with_five_hundred_addresses_costs_four_attempts():
    # given 500 addresses of which none listens on the target's port
    crowd = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(500)]
    async with TargetServer() as target, DnsServer({"crowd.test": crowd}) as dns:
        outcome = await check(target.url_of(host="crowd.test"), dns_servers=[dns.address])
        resolver = Resolver([dns.address])
        addresses, _ = await resolver.lookup("crowd.test")
        await resolver.close()

    assert outcome.reason is Reason.CONNECTION_REFUSED
    assert len(addresses) == 4


@on_both_loops
async def test_ipv6_is_queried_only_if_ipv4_does_not_answer():
    # given names with both, with one of them each, and one that IPv4 does not answer for
    names = {
        "both.test": ["127.0.0.8", "::1"],
        "four.test": ["127.0.0.8"],
        "six.test": ["::1"],
        "moved.test": ["127.0.0.9", "::1"],
    }
    async with (
        TargetServer(host="::1") as six,
        TargetServer(host="127.0.0.8", port=six.port),
        DnsServer(names) as dns,
        prober(dns_servers=[dns.address]) as made,
    ):
        # when
        urls = [six.url_of(host=name) for name in names]
        outcomes = [await made.check(check_options(url)) for url in urls]

    # then
    assert [o.result for o in outcomes] == [Result.UP] * 4
    assert [name for name, kind in dns.queries if kind == AAAA] == ["six.test", "moved.test"]
    assert dns.queries[0] == ("both.test", A)
    assert all(o.timings.dns_ms > 0 for o in outcomes)


@on_both_loops
async def test_a_server_silent_about_ipv6_delays_no_check():
    # given one that drops what it does not know, as some do
    def only_ipv4(query):
        end = query.index(b"\0", 12) + 1
        return four.answer(query) if query[end + 1] == A else None

    four = DnsServer({"shop.test": ["127.0.0.1"]})
    async with (
        TargetServer() as target,
        DnsServer({"shop.test": only_ipv4}) as dns,
    ):
        outcome = await check(target.url_of(host="shop.test"), dns_servers=[dns.address])

    assert outcome.result is Result.UP
    assert outcome.timings.dns_ms < 1000


@on_both_loops
async def test_localhost_needs_no_server_and_an_address_no_lookup():
    async with TargetServer() as target, DnsServer({}) as dns:
        named = await check(target.url_of(host="localhost"), dns_servers=[dns.address])
        plain = await check(target.url, dns_servers=[dns.address])

    assert named.result is plain.result is Result.UP
    assert dns.queries == []
    assert plain.timings.dns_ms == 0


@on_both_loops
async def test_a_changed_record_is_seen_by_the_next_check():
    # given a name whose record may be kept for an hour
    async with (
        TargetServer() as target,
        DnsServer({"moving.test": ["127.0.0.1"]}) as dns,
        prober(dns_servers=[dns.address]) as made,
    ):
        options = check_options(target.url_of(host="moving.test"))
        before = await made.check(options)

        # when it is gone
        dns.table["moving.test"] = NXDOMAIN
        after = await made.check(options)

    # then
    assert before.result is Result.UP
    assert after.reason is Reason.DNS_ERROR


@on_both_loops
async def test_search_domains_do_not_apply(monkeypatch):
    monkeypatch.setenv("LOCALDOMAIN", "corp.test")
    async with DnsServer({}) as dns:
        await check("http://nowhere.test/", dns_servers=[dns.address])

    assert {name for name, _ in dns.queries} == {"nowhere.test"}


@on_both_loops
async def test_a_closed_resolver_flushes_no_cache():
    async with DnsServer({"shop.test": ["127.0.0.1"]}) as dns:
        resolver = Resolver([dns.address])
        # given one whose cache is to be flushed in the loop's next turn
        lookup = asyncio.create_task(resolver.lookup("shop.test"))
        assert await lookup == All(["127.0.0.1"], shared=False)

        # when it is closed before; then no complaint reaches the loop
        await resolver.close()
        await asyncio.sleep(0)


@on_both_loops
async def test_closing_during_a_lookup_leaves_nothing_behind():
    async with DnsServer({"shop.test": SILENT}) as dns:
        async with prober(dns_servers=[dns.address]) as made:
            task = asyncio.create_task(made.check(check_options("http://shop.test/")))
            await asyncio.wait_for(dns.asked.wait(), 5)
        outcome = await task

    assert (outcome.result, outcome.reason) == (Result.NOT_MEASURED, Reason.INTERNAL_ERROR)
