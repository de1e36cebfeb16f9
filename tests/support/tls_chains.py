"""Chains of certificates with every link made by hand: authorities, intermediates and leaves.

``Link`` is a certificate with its key; ``serving`` makes a server's context of a chain in any
order, whole or not, with the leaf's key or another.
"""

from __future__ import annotations

import base64
import datetime as dt
import ssl
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = dt.timedelta(days=1)
LASTING_DAYS = 60.0
"""Longer than any test moves a clock."""

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True)
class Link:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


@cache
def ec_key(use: str = "") -> ec.EllipticCurvePrivateKey:
    """A key of P-256, always the same for one ``use``."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(bits: int = 2048, use: str = "") -> rsa.RSAPrivateKey:
    """An RSA key, always the same for one ``use``."""
    return rsa.generate_private_key(65537, bits)


def issued(
    subject: str,
    *names: str,
    by: Link | None = None,
    key: Key | None = None,
    path_length: int | None = None,
    authority: bool = False,
    days: tuple[float, float] = (-30, LASTING_DAYS),
    usage: x509.ObjectIdentifier | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Link:
    """A certificate by this issuer, or by itself, valid from and to so many days from now.

    ``names``: DNS names and addresses. ``extensions``: more, each with whether it is critical.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject_name = _named(subject)
    begin, end = (dt.datetime.now(dt.UTC) + DAY * offset for offset in days)
    builder = (
        x509.CertificateBuilder(public_key=key.public_key())
        .subject_name(subject_name)
        .issuer_name(by.certificate.subject if by else subject_name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(True, path_length), critical=True)
    if names:
        builder = builder.add_extension(_alternatives(names), critical=False)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Link(builder.sign(by.key if by else key, hashes.SHA256()), key)


def authority(subject: str, **rest: object) -> Link:
    """An authority, or an intermediate where it is issued ``by`` another."""
    return issued(subject, authority=True, **rest)  # type: ignore[arg-type]


def limited_to(*permitted: str, excluded: Sequence[str] = ()) -> tuple[x509.NameConstraints, bool]:
    """An extension of an intermediate that may vouch for these names alone (RFC 5280, 4.2.1.10)."""
    inside, outside = ([x509.DNSName(name) for name in names] for names in (permitted, excluded))
    return x509.NameConstraints(inside or None, outside or None), True


def limited_to_network(network: str) -> tuple[x509.NameConstraints, bool]:
    """The same for addresses."""
    return x509.NameConstraints([x509.IPAddress(ip_network(network))], None), True


UNKNOWN_CRITICAL = (
    x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"),
    True,
)
"""What whoever does not know it must not accept (RFC 5280, section 4.2)."""


def another_signature(link: Link) -> Link:
    """The same certificate but for one bit of its signature."""
    der = bytearray(link.certificate.public_bytes(Encoding.DER))
    der[-1] ^= 1
    return Link(x509.load_der_x509_certificate(bytes(der)), link.key)


def stolen_key(victim: Link) -> bytes:
    """PEM of a key whose public part is the victim's, and whose private part is another's.

    OpenSSL takes it for the key of the victim's certificate, which whoever shows that certificate
    without its key would like to have.
    """
    key = victim.key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        other: Key = ec.generate_private_key(key.curve)
        der = _traditional(other).replace(_point(other), _point(key))
        return _armoured("EC PRIVATE KEY", der)
    other = rsa.generate_private_key(65537, key.key_size)
    numbers = other.private_numbers()
    mixed = (0, key.public_key().public_numbers().n, 65537, numbers.d, numbers.p, numbers.q)
    rest = (numbers.dmp1, numbers.dmq1, numbers.iqmp)
    return _armoured("RSA PRIVATE KEY", _sequence(map(_integer, mixed + rest)))


def _traditional(key: Key) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _point(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _integer(number: int) -> bytes:
    return _tagged(2, number.to_bytes(number.bit_length() // 8 + 1))


def _sequence(parts: Iterable[bytes]) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _tagged(tag: int, content: bytes) -> bytes:
    """DER (X.690, section 8.1), of contents below 64 KiB."""
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + length + content


def _armoured(label: str, der: bytes) -> bytes:
    text = base64.encodebytes(der)
    return f"-----BEGIN {label}-----\n".encode() + text + f"-----END {label}-----\n".encode()


def serving(*chain: Link, key: Key | bytes | None = None) -> ssl.SSLContext:
    """A server's context that shows this chain, in this order, with the key of the first.

    ``key``: another, or PEM of one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # or this side refuses what is weak already
    with tempfile.NamedTemporaryFile() as pem:
        pem.write("".join(link.pem for link in chain).encode())
        pem.write(key if isinstance(key, bytes) else _pem(key or chain[0].key))
        pem.flush()
        context.load_cert_chain(pem.name)
    return context


def _pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _named(subject: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])


def _alternatives(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative(name) for name in names])


def _alternative(name: str) -> x509.GeneralName:
    try:
        address: IPv4Address | IPv6Address = ip_address(name)
    except ValueError:
        return x509.DNSName(name)
    return x509.IPAddress(address)
