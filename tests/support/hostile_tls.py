"""Certificates that an authority vouches for, and that are too weak to be believed.

No library makes a certificate signed with SHA-1 any more: the signature is computed here.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
import tempfile
from functools import cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")  # RFC 8017, appendix C
_SHA1_WITH_RSA = bytes.fromhex("06092a864886f70d010105")
_SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")  # RFC 8017, section 9.2, note 1
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of weak certificates")])


def _key(bits: int) -> RSAPrivateKey:
    return generate_private_key(65537, bits)


@cache
def _authority() -> tuple[RSAPrivateKey, x509.Certificate]:
    key = _key(2048)
    authority = x509.BasicConstraints(ca=True, path_length=0)
    builder = _builder(key.public_key()).subject_name(_NAME)
    builder = builder.add_extension(authority, critical=True)
    return key, builder.sign(key, hashes.SHA256())


def authority_pem() -> str:
    """The certificate of the authority that vouches for the weak ones."""
    return _authority()[1].public_bytes(Encoding.PEM).decode()


def short_key() -> ssl.SSLContext:
    """A server's context with an RSA key of 1024 bits, for 127.0.0.1."""
    key = _key(1024)
    return _context(key, leaf(key.public_key()).public_bytes(Encoding.PEM))


def sha1_signature() -> ssl.SSLContext:
    """A server's context with a certificate signed with SHA-1, for 127.0.0.1."""
    key = _key(2048)
    certificate = signed_with_sha1(leaf(key.public_key()))
    return _context(key, ssl.DER_cert_to_PEM_cert(certificate).encode())


def _builder(key: CertificatePublicKeyTypes) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder(_NAME, None, key, x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def leaf(key: CertificatePublicKeyTypes) -> x509.Certificate:
    """A certificate of the authority for this key, for 127.0.0.1."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = _builder(key).subject_name(name).add_extension(names, critical=False)
    return builder.sign(_authority()[0], hashes.SHA256())


def signed_with_sha1(leaf: x509.Certificate) -> bytes:
    """The same certificate in DER, its algorithm renamed and its signature made anew.

    The two identifiers are of one length, so that nothing else moves.
    """
    signed = leaf.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    key = _authority()[0]
    modulus, private = key.public_key().public_numbers().n, key.private_numbers().d
    size = key.key_size // 8
    info = _SHA1_INFO + hashlib.sha1(signed, usedforsecurity=False).digest()
    padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
    signature = pow(int.from_bytes(padded), private, modulus).to_bytes(size)
    whole = leaf.public_bytes(Encoding.DER).replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    return whole.removesuffix(leaf.signature) + signature


def _context(key: RSAPrivateKey, certificate_pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this side refuses the certificate already
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(certificate_pem)
        pem.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        pem.flush()
        context.load_cert_chain(pem.name)
    return context
