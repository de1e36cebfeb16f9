"""What a check sends."""

from __future__ import annotations

import base64

import pytest

from support.dns import DnsServer
from support.factories import check_options
from support.targets import TargetServer, answers
from support.targets_checks import check, prober
from support.targets_loops import on_both_loops


@on_both_loops
async def test_a_plain_check_sends_our_user_agent_and_closes():
    async with TargetServer() as target:
        await check(target.url)

    (request,) = target.requests
    assert (request.method, request.target, request.body) == ("GET", "/", b"")
    assert request.headers.pop("user-agent").startswith("monitor/")
    assert request.headers == {
        "host": f"127.0.0.1:{target.port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "close",
    }


@on_both_loops
async def test_the_owners_headers_and_body_win():
    given = {"user-agent": "mine", "Host": "shop.example", "X-Key": "k", "ACCEPT": "text/html"}
    async with TargetServer() as target:
        await check(target.url, http_method="POST", request_headers=given, request_body="grüße")

    (request,) = target.requests
    assert request.method == "POST"
    assert request.body == "grüße".encode()
    sent = {name: request.headers[name] for name in ("user-agent", "host", "x-key", "accept")}
    assert sent == {
        "user-agent": "mine",
        "host": "shop.example",
        "x-key": "k",
        "accept": "text/html",
    }


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("/a%2Fb%20c?q=%7Ex&r=a+b", "/a%2Fb%20c?q=%7Ex&r=a+b"),
        ("/a/../b/./c", "/a/../b/./c"),
        ("/100%", "/100%"),
        ("?q=1", "/?q=1"),
        ("", "/"),
        ("/x#part", "/x"),
        ("/grün weg", "/gr%C3%BCn%20weg"),
    ],
)
@on_both_loops
async def test_the_path_is_sent_as_typed(typed, sent):
    async with TargetServer() as target:
        outcome = await check(target.url_of(typed))

    assert outcome.status_code == 200
    assert target.requests[0].target == sent


@on_both_loops
async def test_credentials_in_the_url_become_a_header():
    async with TargetServer() as target:
        await check(target.url.replace("127", "me:s%40crt@127", 1))

    expected = "Basic " + base64.b64encode(b"me:s@crt").decode()
    assert target.requests[0].headers["authorization"] == expected


@on_both_loops
async def test_cookies_are_not_sent_back():
    sets = answers(200, b"", {"Set-Cookie": "a=b"})
    async with (
        TargetServer(sets) as target,
        DnsServer({"shop.test": ["127.0.0.1"]}) as dns,
        prober(dns_servers=[dns.address]) as made,
    ):
        for _ in range(2):
            await made.check(check_options(target.url_of(host="shop.test")))

    assert len(target.requests) == 2
    assert all("cookie" not in request.headers for request in target.requests)
