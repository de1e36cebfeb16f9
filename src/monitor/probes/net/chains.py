"""The chain of certificates that a server shows, and what its certificates say.

Known of every server that got as far as showing one: whether it was believed, refused, or nobody
asked for it to be verified.
"""

from __future__ import annotations

import ssl
from _ssl import ENCODING_DER
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct

from monitor.domain.outcome import printable

Chain = tuple[bytes, ...]
"""Certificates in DER (RFC 5280), the server's own first."""

_MAX_NAMES = 100
_MAX_NAME_CHARS = 253  # RFC 1035, section 3.1
MAX_FACTS = 512
"""At most 13 MB, of certificates made for it; 200 kB of ordinary ones."""


class CertificateFacts(Struct, frozen=True):
    """What one certificate says of itself; whether that is true is for a verifier to say.

    ``names``: DNS names and addresses of its subjectAltName, the first 100. ``subject`` and
    ``issuer``: the common name, or else the organisation, or "". Times are Unix seconds, the last
    one included. All text is printable and bounded.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before_s: int
    not_after_s: int


def served(tls: ssl.SSLObject) -> Chain:
    """The chain as the server sent it, in its order; () before it has sent one."""
    return _der(tls._sslobj.get_unverified_chain())  # type: ignore[attr-defined]


def verified(tls: ssl.SSLObject) -> Chain:
    """The chain that was verified, up to the root; () where none was."""
    return _der(tls._sslobj.get_verified_chain())  # type: ignore[attr-defined]


def _der(certificates: list[ssl._Certificate] | None) -> Chain:  # type: ignore[name-defined]
    # Python has had these methods of _sslobj since 3.10, and made them public in 3.13.
    return tuple([one.public_bytes(ENCODING_DER) for one in certificates or ()])


def earliest_end_s(chain: Chain) -> int | None:
    """The earliest notAfter of a chain; None where a certificate cannot be read."""
    ends = [_end_s(certificate) for certificate in chain]
    readable = [end_s for end_s in ends if end_s is not None]
    return min(readable) if readable and len(readable) == len(ends) else None


@lru_cache(maxsize=MAX_FACTS)
def _end_s(der: bytes) -> int | None:
    """Its notAfter alone: a twentieth of the cost of all facts, and every verified chain's."""
    try:
        return _seconds(x509.load_der_x509_certificate(der).not_valid_after_utc)
    except (ValueError, x509.InvalidVersion):
        return None


_facts: dict[bytes, CertificateFacts | None] = {}
"""By digest, the oldest first: intermediates and roots are in nearly every chain."""


def facts(certificate: bytes) -> CertificateFacts | None:
    """What a certificate in DER says; None where it cannot be read. Parsed once a digest."""
    digest = sha256(certificate).digest()
    if digest not in _facts:
        if len(_facts) >= MAX_FACTS:
            del _facts[next(iter(_facts))]
        _facts[digest] = _parsed(certificate)
    return _facts[digest]


def _parsed(der: bytes) -> CertificateFacts | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        return CertificateFacts(
            _name_of(certificate.subject),
            _name_of(certificate.issuer),
            _names(certificate),
            _seconds(certificate.not_valid_before_utc),
            _seconds(certificate.not_valid_after_utc),
        )
    except (ValueError, TypeError, x509.InvalidVersion):
        return None


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def _name_of(name: x509.Name) -> str:
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(oid):
            return printable(str(attribute.value))
    return ""


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return ()
    kept = [n for n in names if isinstance(n, x509.DNSName | x509.IPAddress)][:_MAX_NAMES]
    return tuple(printable(str(name.value), _MAX_NAME_CHARS) for name in kept)
