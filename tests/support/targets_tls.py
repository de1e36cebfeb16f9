"""Certificates for targets: from an authority of the test's own, or wrong in one way each."""

from __future__ import annotations

import base64
import datetime as dt
import ssl
import tempfile
from functools import cache
from ipaddress import ip_address

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtensionOID, NameOID


@cache
def authority() -> trustme.CA:
    return trustme.CA()


def trust() -> str:
    """The authority in PEM, for a prober that trusts nobody else."""
    return authority().cert_pem.bytes().decode()


def certified(
    *names: str,
    ca: trustme.CA | None = None,
    valid_days: tuple[int, int] = (-1, 1),
    key_type: trustme.KeyType = trustme.KeyType.ECDSA,
) -> ssl.SSLContext:
    """A server's context for these names, valid from and to so many days from now."""
    now = dt.datetime.now(dt.UTC)
    begin, end = (now + dt.timedelta(days=days) for days in valid_days)
    issuer = ca or authority()
    certificate = issuer.issue_cert(*names, not_before=begin, not_after=end, key_type=key_type)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def named_by_hand(*dns_names: str, common_name: str = "leaf") -> ssl.SSLContext:
    """A server's context with exactly these DNS names, as no authority would check them; without
    any it has no subjectAltName, but a common name alone."""
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names])
    return _with_extension(common_name, names if dns_names else None)


def named_unreadably() -> ssl.SSLContext:
    """A server's context with one DNS name that is not even UTF-8."""
    sequence_of_one_name = b"\x30\x03\x82\x01\xff"
    oid = ExtensionOID.SUBJECT_ALTERNATIVE_NAME
    return _with_extension("leaf", x509.UnrecognizedExtension(oid, sequence_of_one_name))


def _with_extension(common_name: str, names: x509.ExtensionType | None) -> ssl.SSLContext:
    issuer = x509.load_pem_x509_certificate(authority().cert_pem.bytes())
    issuer_key = load_pem_private_key(authority().private_key_pem.bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _lasting(_named(common_name), issuer.subject, key)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return _serving(key, builder.sign(issuer_key, hashes.SHA256()))


def server_names(context: ssl.SSLContext) -> list[str | None]:
    """Grows by the name that each handshake asks this server for (SNI); None: for no name."""
    asked: list[str | None] = []

    def ask(_connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        asked.append(name)

    context.sni_callback = ask
    return asked


def speaking(context: ssl.SSLContext, newest: ssl.TLSVersion) -> ssl.SSLContext:
    """The same server, as old as to speak nothing newer than this. Warns of old versions."""
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = newest
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def with_dhe(bits: int) -> ssl.SSLContext:
    """A server's context for 127.0.0.1 with DHE and RSA key exchange, whichever the client prefers.

    ``bits``: of the DHE parameters, 1024 (RFC 2409, section 6.2) or 2048 (RFC 3526, section 3).
    """
    context = certified("127.0.0.1", key_type=trustme.KeyType.RSA)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers("DHE-RSA-AES128-SHA:AES128-SHA:@SECLEVEL=0")
    load_dhe(context, bits)
    return context


def load_dhe(context: ssl.SSLContext, bits: int) -> None:
    """Let a server do DHE, with parameters of 1024 or 2048 bits: see ``with_dhe``."""
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(_dhe_parameters(bits))
        pem.flush()
        context.load_dh_params(pem.name)


def _dhe_parameters(bits: int) -> bytes:
    """A prime and its generator, 2, as OpenSSL reads them: no library writes them any more."""
    term = {1024: 129093, 2048: 124476}[bits]
    prime = 2**bits - 2 ** (bits - 64) - 1 + 2**64 * (_pi(bits - 130) + term)
    number = b"\0" + prime.to_bytes(bits // 8)
    pair = b"\x02\x82" + len(number).to_bytes(2) + number + b"\x02\x01\x02"
    text = base64.encodebytes(b"\x30\x82" + len(pair).to_bytes(2) + pair)
    return b"-----BEGIN DH PARAMETERS-----\n" + text + b"-----END DH PARAMETERS-----\n"


def _pi(bits: int) -> int:
    """Pi times 2 to this power, rounded down (Machin's formula)."""

    def arctan_of_inverse(x: int) -> int:
        power, total, n = (1 << (bits + 32)) // x, 0, 1
        while power:
            total += power // n if n % 4 == 1 else -(power // n)
            power, n = power // (x * x), n + 2
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239)) >> 32


def without_key_identifiers(address: str) -> tuple[ssl.SSLContext, str]:
    """A server's context, and its authority in PEM: as private authorities often make them."""
    key, issuer = ec.generate_private_key(ec.SECP256R1()), _named("authority without identifiers")
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    is_authority = x509.BasicConstraints(ca=True, path_length=0)
    root = _lasting(issuer, issuer, key).add_extension(is_authority, critical=True)
    leaf = _lasting(_named("leaf"), issuer, leaf_key).add_extension(_for(address), critical=False)
    context = _serving(leaf_key, leaf.sign(key, hashes.SHA256()))
    return context, root.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def self_signed(address: str) -> ssl.SSLContext:
    """A server's context with a certificate that vouches for itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _named("itself")
    builder = _lasting(name, name, key).add_extension(_for(address), critical=False)
    return _serving(key, builder.sign(key, hashes.SHA256()))


def with_curve(address: str, curve: ec.EllipticCurve, newest: ssl.TLSVersion) -> ssl.SSLContext:
    """A server's context with a key on this curve, that speaks nothing newer than this."""
    issuer = x509.load_pem_x509_certificate(authority().cert_pem.bytes())
    issuer_key = load_pem_private_key(authority().private_key_pem.bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(curve)
    leaf = _lasting(_named("leaf"), issuer.subject, key)
    leaf = leaf.add_extension(_for(address), critical=False)
    context = _serving(key, leaf.sign(issuer_key, hashes.SHA256()))
    context.maximum_version = newest
    return context


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _for(address: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])


def _lasting(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    """A certificate to be signed, valid from yesterday to tomorrow."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def _serving(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(certificate.public_bytes(Encoding.PEM))
        pem.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        pem.flush()
        context.load_cert_chain(pem.name)
    return context
