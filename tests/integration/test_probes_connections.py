"""Connecting: which address, how long, and what its failure says."""

from __future__ import annotations

import asyncio
import errno
import time
from ipaddress import ip_network
from unittest.mock import Mock

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.net.address_policy import AddressPolicy
from support.dns import DnsServer
from support.factories import check_options
from support.targets import TargetServer, refusing_port, unanswering_port
from support.targets_checks import check, prober
from support.targets_loops import on_both_loops


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@on_both_loops
async def test_both_families_are_reached(host):
    async with TargetServer(host=host) as target:
        outcome = await check(target.url)

    assert outcome.result is Result.UP
    assert outcome.timings.dns_ms == outcome.timings.tls_ms == 0.0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@on_both_loops
async def test_refused_connection_names_the_peer(host):
    with refusing_port(host) as port:
        outcome = await check(TargetServer(host=host, port=port).url)

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.CONNECTION_REFUSED)
    assert outcome.evidence == f"connection refused by {host} port {port}"
    assert (outcome.status_code, outcome.response_ms) == (0, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@on_both_loops
async def test_only_a_failed_check_names_its_address(host):
    # given
    async with TargetServer(host=host) as target:
        # when
        up = await check(target.url)
        unexpected = await check(target.url, expected_status_codes=[(404, 404)])
    with refusing_port(host) as port:
        refused = await check(TargetServer(host=host, port=port).url)
    # then
    assert [o.address for o in (up, unexpected, refused)] == ["", host, host]


@on_both_loops
async def test_a_check_says_when_it_began():
    # given
    before_s = time.time()
    async with TargetServer() as target:
        # when
        outcome = await check(target.url)
    # then
    assert before_s <= outcome.began_at_s <= time.time()


@on_both_loops
async def test_a_connection_that_is_never_accepted_ends_with_the_deadline():
    with unanswering_port() as port:
        outcome = await check(f"http://127.0.0.1:{port}/", request_timeout=1)

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.CONNECT_TIMEOUT)
    assert outcome.evidence == f"no answer within 1 s (connecting to 127.0.0.1 port {port})"
    assert 900 < outcome.timings.connect_ms < 1900


@on_both_loops
async def test_the_second_address_is_tried_when_the_first_refuses():
    async with TargetServer() as target, DnsServer({"two.test": ["127.0.0.9", "127.0.0.1"]}) as dns:
        outcome = await check(target.url_of(host="two.test"), dns_servers=[dns.address])

    assert outcome.result is Result.UP


@on_both_loops
async def test_a_dead_address_leaves_time_for_the_next():
    async with TargetServer() as target, DnsServer({"two.test": ["127.0.0.9", "127.0.0.1"]}) as dns:
        with unanswering_port("127.0.0.9", target.port):
            outcome = await check(
                target.url_of(host="two.test"), dns_servers=[dns.address], request_timeout=2
            )

    assert outcome.result is Result.UP
    assert 900 < outcome.timings.connect_ms < 1900


@on_both_loops
async def test_an_ipv6_address_without_a_route_never_decides():
    # given a region without IPv6: the kernel says so before a packet leaves
    loop = asyncio.get_running_loop()

    async def without_ipv6(factory, address, port):
        if ":" in address:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return await loop.create_connection(factory, address, port)

    names = {
        "down.test": ["127.0.0.9", "::1"],
        "up.test": ["127.0.0.9", "::1", "127.0.0.1"],
        "six.test": ["::1"],
    }

    # when
    async with (
        TargetServer() as target,
        DnsServer(names) as dns,
        prober(dns_servers=[dns.address]) as made,
    ):
        made._connector._loop = Mock(wraps=loop, create_connection=without_ipv6)
        down, up, six = [
            await made.check(check_options(target.url_of(host=name))) for name in names
        ]

    # then
    assert (down.result, down.reason) == (Result.DOWN, Reason.CONNECTION_REFUSED)
    assert up.result is Result.UP
    assert (six.result, six.reason) == (Result.NOT_MEASURED, Reason.REGION_OFFLINE)


@on_both_loops
async def test_a_private_address_is_refused_without_a_connection():
    async with TargetServer() as target, prober(policy=AddressPolicy()) as made:
        outcome = await made.check(check_options(target.url))

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.BLOCKED_TARGET)
    assert target.accepted == 0


@on_both_loops
async def test_only_allowed_addresses_of_a_name_are_tried():
    policy = AddressPolicy([ip_network("127.0.0.1/32")])
    names = {"mixed.test": ["127.0.0.9", "127.0.0.1"], "inner.test": ["127.0.0.9"]}
    async with (
        TargetServer() as target,
        DnsServer(names) as dns,
        prober(policy=policy, dns_servers=[dns.address]) as made,
    ):
        mixed = await made.check(check_options(target.url_of(host="mixed.test")))
        inner = await made.check(check_options(target.url_of(host="inner.test")))

    assert mixed.result is Result.UP
    assert inner.reason is Reason.BLOCKED_TARGET
