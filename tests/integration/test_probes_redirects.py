"""Redirects: followed to a bound, and never with what belongs to somebody else."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.net.address_policy import AddressPolicy
from support.dns import DnsServer
from support.factories import check_options
from support.hostile_behaviours import redirects_raw
from support.targets import TargetServer, answers, by_path, redirects, repeats
from support.targets_checks import check, prober
from support.targets_loops import on_both_loops


def chain(length):
    """A target whose /0 is ``length`` redirects away from an answer."""
    routes = {f"/{n}": redirects(f"/{n + 1}") for n in range(length)}
    return by_path({**routes, f"/{length}": answers(200)})


def wants_cookie(cookie):
    """A target that redirects to itself and sets seen=1 until it gets this Cookie header."""
    sets = answers(302, b"", {"Location": "/", "Set-Cookie": "seen=1; Path=/"})

    async def behave(exchange):
        received = await exchange.request()
        await (answers() if received.headers.get("cookie") == cookie else sets)(exchange)

    return behave


@on_both_loops
async def test_ten_redirects_are_followed_and_timed_together():
    async with TargetServer(chain(10)) as target:
        outcome = await check(target.url_of("/0"))
        await target.idle()

    assert (outcome.result, outcome.status_code) == (Result.UP, 200)
    assert target.accepted == 11


@on_both_loops
async def test_the_eleventh_is_one_too_many():
    async with TargetServer(chain(11)) as target:
        outcome = await check(target.url_of("/0"))

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.TOO_MANY_REDIRECTS)
    assert outcome.status_code == 302
    assert outcome.response_ms is None
    assert target.accepted == 11


@on_both_loops
async def test_a_redirect_that_is_not_followed_is_only_a_status():
    async with TargetServer(redirects("/elsewhere")) as target:
        outcome = await check(target.url, follow_redirects=False)

    assert (outcome.result, outcome.status_code) == (Result.UP, 302)
    assert target.accepted == 1


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://h/",
        "javascript:x",
        "http://",
        "http://h:99999/",
        "x" * 40_000,
        "",
    ],
)
@on_both_loops
async def test_a_redirect_to_nowhere(location):
    async with TargetServer(redirects(location)) as target:
        outcome = await check(target.url)

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.INVALID_REDIRECT)
    assert outcome.status_code == 302


@on_both_loops
async def test_a_hop_whose_name_is_not_found_has_no_address():
    # given
    async with TargetServer(redirects("http://nowhere.test/")) as target, DnsServer({}) as dns:
        # when
        outcome = await check(target.url, dns_servers=[dns.address])
    # then
    assert (outcome.reason, outcome.address) == (Reason.DNS_ERROR, "")


@on_both_loops
async def test_a_redirect_without_location():
    async with TargetServer(answers(301)) as target:
        outcome = await check(target.url)

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.INVALID_REDIRECT)


@on_both_loops
async def test_a_relative_redirect_keeps_the_headers():
    routes = {"/a/b": redirects("../c?d=%2F"), "/c?d=%2F": answers(200)}
    async with TargetServer(by_path(routes)) as target:
        await check(target.url_of("/a/b"), request_headers={"X-Key": "k"})

    assert [request.target for request in target.requests] == ["/a/b", "/c?d=%2F"]
    assert target.requests[1].headers["x-key"] == "k"


@on_both_loops
async def test_a_cookie_that_a_redirect_sets_comes_back():
    # given a page that shows itself to those with a cookie, as behind bot protection and log-ins
    async with TargetServer(wants_cookie("seen=1")) as target:
        outcomes = [await check(target.url) for _ in range(2)]

    assert [(o.result, o.status_code) for o in outcomes] == [(Result.UP, 200)] * 2
    assert [r.headers.get("cookie") for r in target.requests] == [None, "seen=1"] * 2


@on_both_loops
async def test_a_cookie_joins_those_of_the_owner():
    async with TargetServer(wants_cookie("mine=1; seen=1")) as target:
        outcome = await check(target.url, request_headers={"Cookie": "mine=1; seen=0"})

    assert outcome.status_code == 200


@on_both_loops
async def test_no_cookie_goes_to_another_site():
    # given a website that sets cookies for whom it likes, and the owner's own
    async with TargetServer(host="127.0.0.2") as other:
        sets = "a=1\r\nSet-Cookie: b=1; Domain=127.0.0.2\r\nSet-Cookie: c=1; Domain=0.0.1"
        leads = answers(302, b"", {"Location": other.url, "Set-Cookie": sets})
        async with TargetServer(leads) as target:
            outcome = await check(target.url, request_headers={"Cookie": "mine=1"})

    assert outcome.result is Result.UP
    assert "cookie" not in other.requests[0].headers


@on_both_loops
async def test_cookies_go_to_the_hosts_of_one_website_alone():
    names = {name: ["127.0.0.1"] for name in ("www.shop.test", "login.shop.test", "evil.test")}

    async def behave(exchange):
        received = await exchange.request()
        routes = {
            "/": ("login.shop.test", "/login", "own=1"),
            "/login": ("evil.test", "/evil", "all=1; Domain=shop.test"),
            "/evil": ("www.shop.test", "/back", "all=2; Domain=shop.test"),
        }
        if received.target not in routes:
            return await answers()(exchange)
        host, path, cookie = routes[received.target]
        leads = {
            "Location": f"http://{host}:{target.port}{path}",
            "Set-Cookie": f"{cookie}; Path=/",
        }
        return await answers(302, b"", leads)(exchange)

    async with (
        TargetServer(behave) as target,
        DnsServer(names) as dns,
        prober(dns_servers=[dns.address]) as made,
    ):
        outcome = await made.check(check_options(target.url_of(host="www.shop.test")))

    assert outcome.result is Result.UP
    assert [(r.target, r.headers.get("cookie")) for r in target.requests] == [
        ("/", None), ("/login", None), ("/evil", None), ("/back", "own=1; all=1"),
    ]  # fmt: skip


@on_both_loops
async def test_bytes_above_ascii_are_asked_for_as_they_came():
    async with TargetServer(by_path({"/": redirects_raw(b"/synspr\xf8ve?\xc3\xb8"),
                                     "/synspr%F8ve?%C3%B8": answers()})) as target:  # fmt: skip
        outcome = await check(target.url)

    assert outcome.result is Result.UP


@pytest.mark.parametrize("length", [2049, 8000, 32_000])
@on_both_loops
async def test_long_redirects_are_followed(length):
    location = "/?SAMLRequest=".ljust(length, "x")
    async with TargetServer(by_path({"/": redirects(location), location: answers()})) as target:
        outcome = await check(target.url)

    assert outcome.result is Result.UP


@on_both_loops
async def test_another_origin_gets_no_secrets():
    given = {
        "Authorization": "Bearer s",
        "Cookie": "s=1",
        "X-Api-Key": "s",
        "Host": "shop.example",
        "User-Agent": "mine",
        "Accept-Language": "de",
    }
    async with TargetServer() as other, TargetServer(redirects(other.url, 307)) as target:
        outcome = await check(
            target.url, http_method="POST", request_headers=given, request_body="secret"
        )

    assert outcome.result is Result.UP
    (request,) = other.requests
    assert (request.method, request.body) == ("POST", b"")
    assert request.headers["host"] == f"127.0.0.1:{other.port}"
    assert request.headers["user-agent"] == "mine"
    assert request.headers["accept-language"] == "de"
    assert not {"authorization", "cookie", "x-api-key"} & set(request.headers)


@on_both_loops
async def test_the_policy_applies_to_every_hop():
    # given a policy that allows 127.0.0.1 alone
    policy = AddressPolicy([ip_network("127.0.0.1/32")])
    async with (
        TargetServer(host="127.0.0.2") as inner,
        TargetServer(redirects(inner.url)) as target,
        prober(policy=policy) as made,
    ):
        outcome = await made.check(check_options(target.url))

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.BLOCKED_TARGET)
    assert outcome.evidence.startswith("127.0.0.2 ")
    assert inner.accepted == 0


@on_both_loops
async def test_one_deadline_covers_all_hops():
    slow = repeats(b"HTTP/1.1 302 Found\r\n", b"X: y\r\n", 0.1)
    async with TargetServer(by_path({"/": redirects("/2"), "/2": slow})) as target:
        outcome = await check(target.url, request_timeout=1)

    assert outcome.reason is Reason.RESPONSE_TIMEOUT
    assert 900 < outcome.timings.total_ms < 1900


@on_both_loops
async def test_the_body_of_a_redirect_is_not_read():
    endless = repeats(b"HTTP/1.1 302 Found\r\nLocation: /2\r\n\r\n", b"x" * 1000)
    async with TargetServer(by_path({"/": endless, "/2": answers(200)})) as target:
        outcome = await check(target.url)
        await target.idle()

    assert outcome.result is Result.UP
