"""Detours to a listener on loopback: redirects, names that change, names with two faces.

``OUTSIDE`` stands for a public address; it is the one that the policy allows.
"""

from __future__ import annotations

import asyncio

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.net import shared_answers
from support import targets_tls
from support.blocked import INSIDE, NotedPolicy, listeners, nobody_came
from support.dns import DnsServer
from support.factories import check_options
from support.special_addresses import BESIDE, REGISTRY
from support.targets import TargetServer, answers, by_path, redirects
from support.targets_checks import prober
from support.targets_loops import on_both_loops

OUTSIDE = "127.0.0.2"

LOCATIONS = [
    "http://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "//[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f.1:{port}/",
    "http://localhost:{port}/",
    "http://inner.test:{port}/",
    "http://user:pw@127.0.0.1:{port}/",
    "http://127.0.0.2@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@127.0.0.2/",
    "HTTP://127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
]


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@on_both_loops
async def test_every_redirect_status_is_checked_against_the_policy(status, secure):
    tls = targets_tls.certified(OUTSIDE) if secure else None
    policy = NotedPolicy(OUTSIDE)
    async with (
        listeners() as servers,
        TargetServer(redirects(servers[0].url, status), tls, OUTSIDE) as first,
        prober(policy=policy) as made,
    ):
        for method in ("GET", "POST"):
            outcome = await made.check(check_options(first.url, http_method=method))
            assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.BLOCKED_TARGET)
        await nobody_came(*servers)

    assert set(policy.passed) == {OUTSIDE}


@pytest.mark.parametrize("location", LOCATIONS)
@on_both_loops
async def test_every_spelling_of_a_redirect_target_is_checked_against_the_policy(location):
    policy = NotedPolicy(OUTSIDE)
    async with (
        listeners() as servers,
        TargetServer(redirects(location.format(port=servers[0].port)), host=OUTSIDE) as first,
        DnsServer({}, otherwise=INSIDE) as dns,
        prober(policy=policy, dns_servers=[dns.address]) as made,
    ):
        outcome = await made.check(check_options(first.url))
        await nobody_came(*servers)

    assert outcome.result is Result.DOWN
    assert outcome.reason in (Reason.BLOCKED_TARGET, Reason.INVALID_REDIRECT)
    assert (outcome.reason is Reason.INVALID_REDIRECT) == ("\\" in location)
    assert set(policy.passed) == {OUTSIDE}


NOT_FOLLOWED = {
    "a Refresh header": (200, {"Refresh": "0; url={url}"}),
    "a meta refresh": (200, {"Content-Type": "text/html"}),
    "a Location of what was made": (201, {"Location": "{url}"}),
    "a choice": (300, {"Location": "{url}"}),
    "what was not modified": (304, {"Location": "{url}"}),
    "a proxy to use": (305, {"Location": "{url}"}),
    "another proxy": (306, {"Location": "{url}"}),
    "an alternative service": (200, {"Alt-Svc": 'h2="127.0.0.1:{port}"; ma=60'}),
    "a link": (200, {"Link": "<{url}>; rel=preload", "Content-Location": "{url}"}),
}


@pytest.mark.parametrize("kind", NOT_FOLLOWED)
@on_both_loops
async def test_what_only_browsers_follow_is_not_followed(kind):
    status, given = NOT_FOLLOWED[kind]
    policy = NotedPolicy(OUTSIDE)
    async with listeners() as servers:
        url, port = servers[0].url, servers[0].port
        headers = {name: value.format(url=url, port=port) for name, value in given.items()}
        page = f'<meta http-equiv="refresh" content="0;url={url}"><script src="{url}"></script>'
        async with (
            TargetServer(answers(status, page.encode(), headers), host=OUTSIDE) as first,
            prober(policy=policy) as made,
        ):
            outcome = await made.check(check_options(first.url))
            await nobody_came(*servers)

    assert outcome.status_code == status
    assert policy.passed == [OUTSIDE]


@on_both_loops
async def test_a_name_may_answer_with_any_special_address_and_none_is_connected_to():
    lines = [line[0].split("/")[0] for line in (*REGISTRY, *BESIDE)]
    names = {f"line-{n}.test": [address] for n, address in enumerate(lines)}
    policy = NotedPolicy()
    async with DnsServer(names) as dns, prober(policy=policy, dns_servers=[dns.address]) as made:
        outcomes = await asyncio.gather(
            *(made.check(check_options(f"http://{name}/", request_timeout=20)) for name in names)
        )

    found = {line: o.reason for line, o in zip(lines, outcomes, strict=True)}
    assert {line for line, reason in found.items() if reason is not Reason.BLOCKED_TARGET} == set()
    assert policy.passed == []


class RebindingDns(DnsServer):
    """``rebind.test`` leads outside when it is first asked for, and inside from then on."""

    def answer(self, query):
        first = ("rebind.test", 1) not in self.queries
        self.table["rebind.test"] = [OUTSIDE if first else "127.0.0.1"]
        return super().answer(query)


@on_both_loops
async def test_connection_uses_the_address_that_was_checked():
    # given a name that would lead inside if it were looked up once more
    policy = NotedPolicy(OUTSIDE)
    async with (
        listeners() as servers,
        TargetServer(host=OUTSIDE, port=servers[0].port) as outside,
        RebindingDns({}) as dns,
        prober(policy=policy, dns_servers=[dns.address]) as made,
    ):
        options = check_options(outside.url_of(host="rebind.test"))
        first = await made.check(options)
        asked = list(dns.queries)

        # when it is, for the next check
        later = await made.check(options)
        await nobody_came(*servers)

    # then each check went where its own, only lookup said
    assert first.result is Result.UP
    assert asked == [("rebind.test", 1)]
    assert later.reason is Reason.BLOCKED_TARGET
    assert set(policy.passed) == {OUTSIDE}


@on_both_loops
async def test_dns_rebinding_between_hops_is_blocked(monkeypatch):
    # given a redirect within a website, which comes when its name leads inside
    policy = NotedPolicy(OUTSIDE)
    monkeypatch.setattr(shared_answers, "MAX_AGE_S", 0.1)

    async def late(exchange):
        await exchange.request()
        await asyncio.sleep(0.2)  # what was looked up is shared by hops for less
        await redirects("/next")(exchange)

    async with (
        listeners() as servers,
        TargetServer(by_path({"/": late}), host=OUTSIDE, port=servers[0].port) as outside,
        RebindingDns({}) as dns,
        prober(policy=policy, dns_servers=[dns.address]) as made,
    ):
        outcome = await made.check(check_options(outside.url_of(host="rebind.test")))
        await nobody_came(*servers)
        assert outside.accepted == 1

    # then
    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.BLOCKED_TARGET)
    assert policy.passed == [OUTSIDE]


@pytest.mark.parametrize(
    "addresses",
    [[OUTSIDE, "127.0.0.1"], ["127.0.0.1", OUTSIDE], ["127.0.0.1", "::1", OUTSIDE, "10.0.0.1"]],
)
@on_both_loops
async def test_only_the_public_address_of_a_mixed_name_is_tried(addresses):
    # given a port where the inner address listens and the outer does not
    policy = NotedPolicy(OUTSIDE)
    async with (
        listeners() as servers,
        DnsServer({"both.test": addresses}) as dns,
        prober(policy=policy, dns_servers=[dns.address]) as made,
    ):
        options = check_options(servers[0].url_of(host="both.test"))
        alone = await made.check(options)
        async with TargetServer(host=OUTSIDE, port=servers[0].port) as outside:
            together = await made.check(options)
            assert outside.accepted == 1
        await nobody_came(*servers)

    assert (alone.result, alone.reason) == (Result.DOWN, Reason.CONNECTION_REFUSED)
    assert alone.evidence == f"connection refused by {OUTSIDE} port {servers[0].port}"
    assert together.result is Result.UP
    assert set(policy.passed) == {OUTSIDE}
