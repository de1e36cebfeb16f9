"""Whether a certificate is good enough, in what OpenSSL is not asked about. Pure.

``probes.net.tls`` says when that is. Anything else about a certificate is verified by OpenSSL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

UNREADABLE = 1
HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH = 62, 64
LEAF_KEY_WEAK, AUTHORITY_KEY_WEAK, DIGEST_WEAK = 66, 67, 68
"""OpenSSL's codes, ``X509_V_ERR_*`` in <openssl/x509_vfy.h>."""

WEAKNESSES = {
    UNREADABLE: "certificate with an unknown key or signature",
    LEAF_KEY_WEAK: "EE certificate key too weak",
    AUTHORITY_KEY_WEAK: "CA certificate key too weak",
    DIGEST_WEAK: "CA signature digest algorithm too weak",
}
"""In the words of OpenSSL, where it has some."""

_LEAST_BITS = 2048
_LEAST_CURVE_BITS = 224
_LEAST_DIGEST_BYTES = 28
"""112 bits of security (NIST SP 800-57 part 1, table 2): OpenSSL's security level 2."""


def names_host(dns_names: Iterable[str], host: str) -> bool:
    """Whether one of the DNS names of a certificate is the host's (RFC 9525, section 6.3).

    ``host`` is in ASCII, without a final dot. A wildcard is the whole first label of a name, stands
    for exactly one label, and has two more behind it. An underscore is a character like others, as
    it is for browsers and not for OpenSSL, which takes no wildcard for it.
    """
    labels = host.lower().split(".")
    # Letters beyond ASCII become ordinary ones in lower case: U+212A is a k.
    return any(_is_name_of(name.lower().split("."), labels) for name in dns_names if name.isascii())


def _is_name_of(name: list[str], host: list[str]) -> bool:
    if name[0] == "*" and len(name) > 2:
        return bool(host[0]) and name[1:] == host[1:]
    return name == host


def weakness(chain: Sequence[bytes]) -> int | None:
    """The code of what is too weak to be believed in a verified chain, or None.

    ``chain`` is in DER, from the leaf to the root, whose own signature proves nothing. Refused is
    what OpenSSL refuses at security level 2: RSA keys below 2048 bits, signatures with SHA-1.
    """
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
        if not _strong_key(certificates[0]):
            return LEAF_KEY_WEAK
        if not all(map(_strong_key, certificates[1:])):
            return AUTHORITY_KEY_WEAK
        return None if all(map(_strong_digest, certificates[:-1])) else DIGEST_WEAK
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return UNREADABLE


def _strong_key(certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey | DSAPublicKey):
        return key.key_size >= _LEAST_BITS
    return not isinstance(key, EllipticCurvePublicKey) or key.key_size >= _LEAST_CURVE_BITS


def _strong_digest(certificate: x509.Certificate) -> bool:
    digest = certificate.signature_hash_algorithm
    return digest is None or digest.digest_size >= _LEAST_DIGEST_BYTES
