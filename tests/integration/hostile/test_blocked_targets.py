"""Ways to reach a listener on loopback through a target: each is refused, and nobody connects.

Nothing here can leave the machine: what a name means is said by the test's DNS server, and the
policy notes every address that it would let through; one that is not loopback fails the test.
"""

from __future__ import annotations

import pytest

from monitor.domain.errors import InvalidInput
from monitor.domain.outcome import Reason, Result
from monitor.resources import website
from support.blocked import INSIDE, NotedPolicy, listeners, nobody_came
from support.dns import DnsServer
from support.factories import check_options
from support.targets import TargetServer
from support.targets_checks import prober
from support.targets_loops import on_both_loops

_SPACES = "url: must not contain spaces, backslashes or control characters"
_USER = "url: must not contain a user name or password; use request_headers"
_HOST = "url: must name a host"
_NO_URL = "url: is not a URL"
_ZONE = "url: must not name the zone of an IPv6 address"
_ODD = "url: must write an IPv4 address as four decimal numbers without leading zeros"
_NAME = Reason.DNS_ERROR

# What stands in the URL, and what the API says of it; None: accepted, so that the prober alone
# decides. Where the API refuses it, the prober's own reason may be another than blocked_target.
HOSTS = {
    "loopback": ("127.0.0.1", None),
    "another of loopback": ("127.255.255.254", None),
    "decimal": ("2130706433", _ODD),
    "octal": ("0177.0.0.1", _ODD),
    "octal of three digits": ("0177.0000.0.01", _ODD),
    "octal in one": ("017700000001", _ODD),
    "hexadecimal": ("0x7f.0.0.1", _ODD),
    "hexadecimal in capitals": ("0X7F.1", _ODD),
    "hexadecimal of nothing": ("127.0x", _ODD),
    "hexadecimal in one": ("0x7f000001", _ODD),
    "leading zeros": ("127.000.000.001", _ODD),
    "two parts": ("127.1", _ODD),
    "three parts": ("127.0.1", _ODD),
    "one part": ("0", _ODD),
    "overflowing": ("127.0.0.257", _ODD),
    "this network": ("0.0.0.0", None),
    "trailing dot": ("127.0.0.1.", _ODD),
    "two trailing dots": ("127.0.0.1..", _HOST, _NAME),
    "IPv6 loopback": ("[::1]", None),
    "IPv6 loopback in full": ("[0000:0000:0000:0000:0000:0000:0000:0001]", None),
    "IPv6 unspecified": ("[::]", None),
    "mapped": ("[::ffff:127.0.0.1]", None),
    "mapped in hexadecimal": ("[::ffff:7f00:1]", None),
    "mapped unspecified": ("[::ffff:0.0.0.0]", None),
    "compatible": ("[::127.0.0.1]", None),
    "translated": ("[::ffff:0:127.0.0.1]", None),
    "6to4": ("[2002:7f00:1::]", None),
    "NAT64": ("[64:ff9b::7f00:1]", None),
    "NAT64 of one's own": ("[64:ff9b:1::7f00:1]", None),
    "Teredo": ("[2001:0:7f00:1::80ff:fffe]", None),
    "link-local": ("[fe80::1]", None),
    "link-local with a zone": ("[fe80::1%25lo]", _ZONE),
    "loopback with a zone": ("[::1%lo]", _ZONE),
    "site-local": ("[fec0::1]", None),
    "unique local": ("[fd00::1]", None),
    "metadata over IPv6": ("[fd00:ec2::254]", None),
    "multicast over IPv6": ("[ff02::1]", None),
    "IPv4 in brackets": ("[127.0.0.1]", _NO_URL, _NAME),
    "metadata": ("169.254.169.254", None),
    "metadata in decimal": ("2852039166", _ODD),
    "metadata mapped": ("[::ffff:169.254.169.254]", None),
    "another cloud's metadata": ("100.100.100.200", None),
    "a cloud's host agent": ("168.63.129.16", None),
    "link-local of IPv4": ("169.254.0.1", None),
    "multicast": ("224.0.0.1", None),
    "broadcast": ("255.255.255.255", None),
    "carrier": ("100.64.0.1", None),
    "private 10": ("10.0.0.1", None),
    "private 172": ("172.31.255.255", None),
    "private 192": ("192.168.0.1", None),
    "localhost": ("localhost", None),
    "localhost in capitals": ("LOCALHOST", None),
    "localhost with a dot": ("localhost.", None),
    "below localhost": ("sub.localhost", None),
    "a name": ("inner.test", None),
    "a name with a dot": ("inner.test.", None),
    "a name over IPv6 alone": ("six.test", None),
    "a name of a mapped address": ("mapped.test", None),
    "a name of many": ("crowd.test", None),
    "an address in a name": ("127.0.0.1.nip.test", None),
    "full-width digits": ("１２７.０.０.１", None),  # noqa: RUF001
    "full-width and short": ("１２７.１", _ODD),  # noqa: RUF001
    "full-width octal": ("０１７７.０.０.１", _ODD),  # noqa: RUF001
    "full-width dots": ("127。0。0。1", None),
    "enclosed digits": ("①②⑦.⓪.⓪.①", None),
    "enclosed letters": ("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", None),
    "an umlaut": ("bücher.test", None),
    "percent-encoded": ("127%2e0%2e0%2e1", _HOST, _NAME),
    "a user": ("example.com@127.0.0.1", _USER),
    "a user with a port": ("example.com:80@127.0.0.1", _USER),
    "two users": ("a@example.com@127.0.0.1", _USER),
    "a backslash before @": ("127.0.0.1\\@example.com", _SPACES, _NAME),
    "a backslash for a slash": ("example.com\\@127.0.0.1", _SPACES, _NAME),
    "a tab": ("127.0.\t0.1", _SPACES),
    "a soft hyphen": ("local\u00adhost", _SPACES, _NAME),
}
NAMES = {
    "six.test": ["::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "crowd.test": [f"127.1.0.{n}" for n in range(1, 200)],
}


async def _checked(host, policy):
    """The outcome for this host, at a port where nobody may connect."""
    async with (
        listeners() as servers,
        DnsServer(NAMES, otherwise=INSIDE) as dns,
        prober(policy=policy, dns_servers=[dns.address]) as made,
    ):
        url = f"http://{host}:{servers[0].port}/"
        outcome = await made.check(check_options(url, request_timeout=2))
        await nobody_came(*servers)
    return outcome


@pytest.mark.parametrize("kind", HOSTS)
@on_both_loops
async def test_private_target_is_blocked_without_a_connection(kind):
    host, said, *other = HOSTS[kind]
    policy = NotedPolicy()

    outcome = await _checked(host, policy)

    reason = other[0] if said and other else Reason.BLOCKED_TARGET
    assert outcome.result is not Result.UP
    assert outcome.reason is reason
    if reason is Reason.BLOCKED_TARGET:
        assert outcome.evidence.endswith(", and checks may not connect to it")
    assert policy.passed == []


@pytest.mark.parametrize("kind", HOSTS)
def test_validation_refuses_blocked_targets(kind):
    host, said, *_ = HOSTS[kind]
    body = {"url": f"http://{host}:8080/"}

    if said is None:
        assert website.new_website(body)["url"] == body["url"]
    else:
        with pytest.raises(InvalidInput) as refused:
            website.new_website(body)
        assert str(refused.value) == said


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "sub.localhost",
        "[::ffff:127.0.0.1]",
        "１２７.０.０.１",  # noqa: RUF001
        "inner.test",
    ],
)
@on_both_loops
async def test_private_target_is_reachable_once_its_network_is_allowed(host):
    """Or the tests above would prove nothing."""
    policy = NotedPolicy("127.0.0.0/8", "::ffff:127.0.0.0/104")
    async with (
        TargetServer() as target,
        DnsServer({}, otherwise=INSIDE) as dns,
        prober(policy=policy, dns_servers=[dns.address]) as made,
    ):
        outcome = await made.check(check_options(f"http://{host}:{target.port}/"))

    assert outcome.result is Result.UP
    assert target.accepted == 1
