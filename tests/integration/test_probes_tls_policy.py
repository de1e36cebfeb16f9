"""HTTPS: which versions, ciphers and names are accepted. docs/reference/tls.md has the table."""

from __future__ import annotations

import ssl
import struct

import pytest
import trustme

from monitor.domain.outcome import Reason, Result
from support import hostile_tls, targets_tls
from support.dns import DnsServer
from support.factories import check_options
from support.targets import TargetServer, redirects
from support.targets_checks import check, prober
from support.targets_loops import on_both_loops

UNDERSCORED = "my_shop.example.test"

DISAGREED = {Reason.TLS_ERROR, Reason.CONNECTION_RESET}
"""asyncio's servers leave without the alert that other servers send."""

of_old_versions = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


async def check_by_name(context, host, **options):
    """A check of this host, and how many requests its server received."""
    async with TargetServer(tls=context) as target, DnsServer({host: ["127.0.0.1"]}) as dns:
        url = target.url_of(host=host)
        return await check(url, dns_servers=[dns.address], **options), len(target.requests)


@pytest.mark.parametrize(
    "ciphers",
    [
        "AES128-SHA",
        "AES256-SHA256",
        "AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-RSA-AES256-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ],
)
@on_both_loops
async def test_a_server_with_a_cipher_that_browsers_accept_is_up(ciphers):
    context = targets_tls.certified("127.0.0.1", key_type=trustme.KeyType.RSA)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url)

    assert outcome.result is Result.UP, outcome.evidence


@on_both_loops
async def test_short_dhe_parameters_are_no_fault_of_a_server_that_has_another_cipher():
    async with TargetServer(tls=targets_tls.with_dhe(1024)) as target:
        outcome = await check(target.url)

    assert outcome.result is Result.UP, outcome.evidence


@pytest.mark.parametrize(("bits", "result"), [(1024, Result.DOWN), (2048, Result.UP)])
@on_both_loops
async def test_dhe_takes_parameters_of_2048_bits(bits, result):
    context = targets_tls.with_dhe(bits)
    context.set_ciphers("DHE-RSA-AES128-SHA:@SECLEVEL=0")
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url)

    assert outcome.result is result, outcome.evidence
    assert outcome.reason in (None, Reason.TLS_ERROR)


@pytest.mark.parametrize(
    "ciphers", ["AECDH-AES128-SHA:@SECLEVEL=0", "AES128-CCM", "CAMELLIA128-SHA"]
)
@on_both_loops
async def test_a_server_with_a_cipher_that_no_browser_accepts_is_down(ciphers):
    context = targets_tls.certified("127.0.0.1", key_type=trustme.KeyType.RSA)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url)

    assert outcome.reason in DISAGREED, outcome.evidence


OLD, OLDER = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1
USUAL, NEW = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    ("newest", "min_version", "verified", "unverified"),
    [
        (OLDER, None, False, True),
        (OLDER, "1.0", True, True),
        (OLDER, "1.1", False, False),
        (OLD, None, False, True),
        (OLD, "1.0", True, True),
        (OLD, "1.1", True, True),
        (OLD, "1.2", False, False),
        (USUAL, None, True, True),
        (USUAL, "1.0", True, True),
        (USUAL, "1.2", True, True),
        (USUAL, "1.3", False, False),
        (NEW, None, True, True),
        (NEW, "1.0", True, True),
        (NEW, "1.3", True, True),
    ],
    ids=str,
)
@of_old_versions
@on_both_loops
async def test_the_oldest_version_is_1_2_or_what_the_owner_says(
    newest, min_version, verified, unverified
):
    context = targets_tls.speaking(targets_tls.certified("127.0.0.1"), newest)
    async with TargetServer(tls=context) as target:
        looked = await check(target.url, tls_min_version=min_version)
        unlooked = await check(target.url, tls_min_version=min_version, verify_ssl=False)

    assert [o.result is Result.UP for o in (looked, unlooked)] == [verified, unverified]
    for outcome in (looked, unlooked):
        assert outcome.reason in {None, *DISAGREED}, outcome.evidence


@pytest.mark.parametrize(
    ("weak", "says"),
    [
        (hostile_tls.short_key, "EE certificate key too weak"),
        (hostile_tls.sha1_signature, "CA signature digest algorithm too weak"),
    ],
)
@pytest.mark.parametrize("min_version", [None, "1.0", "1.1"])
@on_both_loops
async def test_an_old_version_is_no_excuse_for_a_weak_certificate(weak, says, min_version):
    # given OpenSSL's level for these versions, at which it accepts such certificates
    async with (
        TargetServer(tls=weak()) as target,
        prober(trust=hostile_tls.authority_pem()) as made,
    ):
        outcome = await made.check(check_options(target.url, tls_min_version=min_version))

    assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.TLS_UNTRUSTED)
    assert outcome.evidence == f"certificate of 127.0.0.1 is not trusted: {says}"
    assert target.requests == []


@of_old_versions
@on_both_loops
async def test_an_old_version_is_no_excuse_for_another_name():
    context = targets_tls.speaking(targets_tls.certified("127.0.0.2"), OLDER)
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url, tls_min_version="1.0")

    assert outcome.reason is Reason.TLS_HOSTNAME


@pytest.mark.parametrize("host", ["shop.test", UNDERSCORED])
@on_both_loops
async def test_a_certificate_with_a_common_name_alone_names_no_host(host):
    outcome, requests = await check_by_name(targets_tls.named_by_hand(common_name=host), host)

    assert (outcome.result, outcome.reason, requests) == (Result.DOWN, Reason.TLS_HOSTNAME, 0)
    assert outcome.evidence == (
        f"certificate is not valid for {host}: it names no host (it has no subjectAltName)"
    )


@pytest.mark.parametrize("host", ["shop.test", UNDERSCORED])
@on_both_loops
async def test_a_name_that_cannot_be_read_is_another_name(host):
    outcome, requests = await check_by_name(targets_tls.named_unreadably(), host)

    assert (outcome.result, outcome.reason, requests) == (Result.DOWN, Reason.TLS_HOSTNAME, 0)
    assert outcome.evidence == f"certificate is not valid for {host}"


@on_both_loops
async def test_an_address_is_no_common_name_either():
    context = targets_tls.named_by_hand(common_name="127.0.0.1")
    async with TargetServer(tls=context) as target:
        outcome = await check(target.url)

    assert outcome.reason is Reason.TLS_HOSTNAME
    assert "it names no host" in outcome.evidence


@pytest.mark.parametrize("name", ["*.example.test", "my_shop.example.test", "MY_shop.example.test"])
@on_both_loops
async def test_a_host_with_an_underscore_is_up_with_its_name_or_a_wildcard(name):
    context = targets_tls.named_by_hand("other.test", name)
    asked = targets_tls.server_names(context)
    outcome, requests = await check_by_name(context, UNDERSCORED)

    assert (outcome.result, requests) == (Result.UP, 1), outcome.evidence
    assert asked == [UNDERSCORED]


@pytest.mark.parametrize("name", ["*.test", "my-shop.example.test", "my_*.example.test"])
@on_both_loops
async def test_a_host_with_an_underscore_is_down_with_another_name(name):
    outcome, requests = await check_by_name(targets_tls.named_by_hand(name), UNDERSCORED)

    assert (outcome.result, outcome.reason, requests) == (Result.DOWN, Reason.TLS_HOSTNAME, 0)
    assert outcome.evidence == f"certificate is not valid for {UNDERSCORED}"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"ca": trustme.CA()}, Reason.TLS_UNTRUSTED),
        ({"valid_days": (-9, -2)}, Reason.TLS_EXPIRED),
        ({"valid_days": (2, 9)}, Reason.TLS_EXPIRED),
    ],
    ids=["stranger", "expired", "not yet valid"],
)
@on_both_loops
async def test_a_host_with_an_underscore_is_trusted_no_sooner_than_others(arguments, reason):
    context = targets_tls.certified("*.example.test", **arguments)
    outcome, requests = await check_by_name(context, UNDERSCORED)

    assert (outcome.result, outcome.reason, requests) == (Result.DOWN, reason, 0)


@pytest.mark.parametrize("certificate", ["shop.test", UNDERSCORED, "other.test"])
@pytest.mark.parametrize(
    ("first", "last"), [(UNDERSCORED, "shop.test"), ("shop.test", UNDERSCORED)]
)
@on_both_loops
async def test_each_server_that_redirects_lead_to_is_verified_for_its_own_host(
    first, last, certificate
):
    known = {host: ["127.0.0.1"] for host in (first, last)}
    async with (
        DnsServer(known) as dns,
        TargetServer(tls=targets_tls.named_by_hand(certificate)) as end,
        TargetServer(redirects(end.url_of(host=last)), targets_tls.named_by_hand(first)) as begin,
    ):
        outcome = await check(begin.url_of(host=first), dns_servers=[dns.address])

    assert len(begin.requests) == 1
    expected = None if certificate == last else Reason.TLS_HOSTNAME
    assert outcome.reason is expected, outcome.evidence


SERVER_HELLO = struct.pack(">H32sBHB", 0x0303, b"\x07" * 32, 0, 0xC02F, 0)
"""TLS 1.2, ECDHE-RSA-AES128-GCM-SHA256, and no extension: neither that of RFC 5746 nor any other
(RFC 5246, section 7.4.1.3)."""


@on_both_loops
async def test_a_server_without_secure_renegotiation_is_not_refused_for_that():
    hello = b"\x02" + len(SERVER_HELLO).to_bytes(3) + SERVER_HELLO
    record = b"\x16\x03\x03" + len(hello).to_bytes(2) + hello

    async def greets(exchange):
        await exchange.reader.read(65536)
        await exchange.send(record + b"\x15\x03\x03\x00\x02\x02\x50")  # an alert: internal error

    async with TargetServer(greets) as target:
        outcome = await check(target.url.replace("http", "https"))

    assert outcome.reason is Reason.TLS_ERROR
    assert outcome.evidence.endswith("alert internal error")
