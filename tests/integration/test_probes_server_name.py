"""HTTPS: which name a server is asked for, and its certificate has to hold."""

from __future__ import annotations

import pytest

from monitor.domain.outcome import Reason, Result
from support import targets_tls
from support.dns import DnsServer
from support.targets import TargetServer, answers, by_path, redirects
from support.targets_checks import check
from support.targets_loops import on_both_loops


def shop():
    """A server's context for shop.test, and the names that it is asked for."""
    context = targets_tls.certified("shop.test")
    return context, targets_tls.server_names(context)


@pytest.mark.parametrize("header", ["shop.test", "Shop.Test", "shop.test:8443", "shop.test."])
@pytest.mark.parametrize("verify_ssl", [True, False])
@on_both_loops
async def test_by_address_it_is_that_of_the_host_header(header, verify_ssl):
    context, asked = shop()
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url, request_headers={"hOST": header}, verify_ssl=verify_ssl)

    assert outcome.result is Result.UP, outcome.evidence
    assert asked == ["shop.test"]
    assert target.requests[0].headers["host"] == header


@on_both_loops
async def test_by_address_a_certificate_for_the_address_is_not_enough():
    context = targets_tls.certified("127.0.0.1")
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url, request_headers={"Host": "shop.test"})

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.TLS_HOSTNAME)
    assert outcome.evidence == "certificate is not valid for shop.test"
    assert target.requests == []


@pytest.mark.parametrize(
    ("header", "name"),
    [("192.0.2.9", "192.0.2.9"), ("[2001:DB8::9]:443", "2001:db8::9")],
)
@on_both_loops
async def test_by_address_the_header_may_be_another_address(header, name):
    context = targets_tls.certified(name)
    asked = targets_tls.server_names(context)
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url, request_headers={"Host": header})

    assert (outcome.result, asked) == (Result.UP, [None]), outcome.evidence


@pytest.mark.parametrize("headers", [{}, {"X-Host": "shop.test"}, {"Host": "shop test"}])
@on_both_loops
async def test_by_address_without_a_host_it_is_the_address(headers):
    context = targets_tls.certified("127.0.0.1")
    asked = targets_tls.server_names(context)
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url, request_headers=headers)

    assert (outcome.result, asked) == (Result.UP, [None]), outcome.evidence


@on_both_loops
async def test_by_name_it_is_that_of_the_url_whatever_the_header():
    context, asked = shop()
    async with TargetServer(tls=context) as target, DnsServer({"shop.test": ["127.0.0.1"]}) as dns:
        outcome = await check(
            target.url_of(host="shop.test"),
            dns_servers=[dns.address],
            request_headers={"Host": "blog.test"},
        )

    assert (outcome.result, asked) == (Result.UP, ["shop.test"]), outcome.evidence
    assert target.requests[0].headers["host"] == "blog.test"


@on_both_loops
async def test_a_redirect_within_the_address_keeps_it():
    context, asked = shop()
    pages = by_path({"/": redirects("/login"), "/login": answers()})
    async with TargetServer(pages, tls=context) as target:
        outcome = await check(target.url, request_headers={"Host": "shop.test"})

    assert outcome.result is Result.UP, outcome.evidence
    assert asked == ["shop.test"] * 2


@on_both_loops
async def test_a_redirect_to_another_origin_does_not_take_it_along():
    context, _ = shop()
    other = targets_tls.certified("127.0.0.1")
    asked = targets_tls.server_names(other)
    async with (
        TargetServer(tls=other) as elsewhere,
        TargetServer(redirects(elsewhere.url), tls=context) as target,
    ):
        outcome = await check(target.url, request_headers={"Host": "shop.test"})

    assert (outcome.result, asked) == (Result.UP, [None]), outcome.evidence
