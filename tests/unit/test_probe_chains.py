"""What a certificate says, as it is read of any server's chain."""

from __future__ import annotations

import datetime as dt

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from monitor.probes.net import chains

DAY = dt.timedelta(days=1)


def _der(*, common_name="leaf", names=(), begin=None, end=None):
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "An Authority")])
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), 7)
    builder = builder.not_valid_before(begin or now - DAY).not_valid_after(end or now + DAY)
    if names:
        dns_names = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(dns_names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_certificate_says_whose_it_is_from_whom_and_for_how_long():
    begin = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    end = dt.datetime(2049, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    der = _der(names=("shop.example", "*.shop.example"), begin=begin, end=end)

    assert chains.facts(der) == chains.CertificateFacts(
        subject="leaf",
        issuer="An Authority",
        names=("shop.example", "*.shop.example"),
        not_before_s=int(begin.timestamp()),
        not_after_s=int(end.timestamp()),
    )


def test_addresses_are_names_as_well():
    pem = trustme.CA().issue_cert("192.0.2.1", "shop.example").cert_chain_pems[0].bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)

    assert set(chains.facts(der).names) == {"192.0.2.1", "shop.example"}


def test_what_a_hostile_certificate_says_is_printable_and_bounded():
    der = _der(common_name="\x1b[2J" + "x" * 50, names=[f"{n}.{'y' * 60}.test" for n in range(900)])
    facts = chains.facts(der)

    assert facts.subject.isprintable()
    assert len(facts.names) == 100


def test_what_is_no_certificate_says_nothing():
    good = _der()
    assert chains.facts(b"no certificate") is None
    assert chains.facts(good[:-1]) is None
    assert chains.earliest_end_s((good, good[:-1])) is None
    assert chains.earliest_end_s(()) is None


def test_a_chain_ends_with_the_first_of_its_certificates():
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ends = [now + DAY * days for days in (3, 1, 2)]

    chain = tuple(_der(end=end) for end in ends)

    assert chains.earliest_end_s(chain) == int(ends[1].timestamp())


def test_a_certificate_is_parsed_once_a_digest_and_few_are_kept(monkeypatch):
    parsed = []
    of = chains._parsed
    monkeypatch.setattr(chains, "_parsed", lambda der: parsed.append(der) or of(der))
    root = _der()
    for _ in range(3):
        chains.facts(bytes(bytearray(root)))
    assert len(parsed) == 1

    for number in range(2 * chains.MAX_FACTS):
        chains.facts(b"%d" % number)

    assert len(chains._facts) == chains.MAX_FACTS
