"""Certificates for targets: from an authority of the test's own, or wrong in one way each."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from functools import cache
from ipaddress import ip_address

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@cache
def authority() -> trustme.CA:
    return trustme.CA()


def trust() -> ssl.SSLContext:
    """A client's context that trusts the authority and nobody else."""
    return ssl.create_default_context(cadata=authority().cert_pem.bytes().decode())


def certified(
    *names: str,
    ca: trustme.CA | None = None,
    valid_days: tuple[int, int] = (-1, 1),
) -> ssl.SSLContext:
    """A server's context for these names, valid from and to so many days from now."""
    now = dt.datetime.now(dt.UTC)
    begin, end = (now + dt.timedelta(days=days) for days in valid_days)
    issuer = ca or authority()
    certificate = issuer.issue_cert(*names, not_before=begin, not_after=end)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def self_signed(address: str) -> ssl.SSLContext:
    """A server's context with a certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "itself")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(certificate.public_bytes(Encoding.PEM))
        pem.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        pem.flush()
        context.load_cert_chain(pem.name)
    return context
