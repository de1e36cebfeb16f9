"""What TLS a check accepts: versions, ciphers, strength and names. All of it is decided here.

It is the same on every Python and OpenSSL that we support, whatever the host's openssl.cnf says,
and near what browsers accept: docs/reference/tls.md compares the two. Python up to 3.14 cannot set
groups: openssl.cnf beside this file does (groups.py). Signature algorithms and the ciphers of TLS
1.3 are OpenSSL's own, all that browsers offer among them.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from typing import Any

import certifi

from monitor.probes.net import certificates, chains

CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "AES256-SHA",
    "DHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-AES128-SHA256",
    "DHE-RSA-AES256-SHA256",
    "DHE-RSA-AES128-SHA",
    "DHE-RSA-AES256-SHA",
)
"""Up to TLS 1.2, best first: what browsers offer, and ciphers of the same kinds that curl takes as
well. DHE comes last: many old servers have parameters for it that are too short to be accepted, and
another cipher that is not."""

_LEVEL, _OLD_LEVEL = 2, 0
"""OpenSSL's security levels: 2 refuses keys and signatures below 112 bits. TLS 1.0 and 1.1 sign
with MD5 and SHA-1, and need level 0 (SSL_CTX_set_security_level(3))."""

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_OLD_VERSIONS = frozenset({"1.0", "1.1"})
USUAL_VERSION = "1.2"
USUAL_VERSIONS = frozenset({None, USUAL_VERSION})
"""Of websites that say nothing, or the same: their contexts are one."""

_OP_LEGACY_SERVER_CONNECT = 0x4  # <openssl/ssl.h>; the ssl module names it from Python 3.12 on
_OP_IGNORE_UNEXPECTED_EOF = getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # from OpenSSL 3.0 on
_OPTIONS = (
    _OP_LEGACY_SERVER_CONNECT
    | _OP_IGNORE_UNEXPECTED_EOF
    | ssl.OP_NO_RENEGOTIATION
    | ssl.OP_NO_TICKET
)
"""Browsers connect to servers that do not know RFC 5746 (renegotiation), and many servers leave
without a close_notify: where an answer ends is HTTP's to say. A certificate is looked at in the
first handshake, so there is no second one on a connection. No session is resumed: whoever resumes
one shows no certificate."""


class NamesNoHost(ssl.SSLCertVerificationError):
    """The certificate names no host at all: it is not valid for this one nor for any other."""


class Contexts:
    """The contexts of one prober, each created once: loading a trust store takes milliseconds.

    ``authorities``: whom to trust instead of the system's authorities, in PEM.
    """

    def __init__(self, authorities: str | None = None) -> None:
        self._authorities = authorities
        self._made: dict[tuple[bool, str | None, bool], ssl.SSLContext] = {}
        self.get()  # before the first check, rather than during it

    def get(
        self, *, verify: bool = True, min_version: str | None = None, host: str = ""
    ) -> ssl.SSLContext:
        """The context for a handshake with this host: one that is ``verified`` or ``unverified``.

        Without a ``min_version`` it is 1.2 for the former, and any for the latter.
        """
        if verify:
            min_version = min_version or USUAL_VERSION
        key = (verify, min_version, verify and "_" in host)
        return self._made.get(key) or self._made.setdefault(key, self._new(*key))

    def _new(self, verify: bool, min_version: str | None, own_names: bool) -> ssl.SSLContext:
        if not verify or min_version is None:
            return unverified(min_version)
        return verified(self._authorities, min_version=min_version, own_names=own_names)


def verified(
    authorities: str | None = None, *, min_version: str = USUAL_VERSION, own_names: bool = False
) -> ssl.SSLContext:
    """Verifies the certificate and that it names the host.

    ``authorities``: whom to trust instead of the system's, in PEM. Where the system has none, as in
    bare containers, certifi's are trusted: without any every website would look untrusted.

    ``min_version``: "1.0", "1.1", "1.2" or "1.3". ``own_names``: names are compared by us, not by
    OpenSSL, for a host with an underscore.
    """
    context = _strict(min_version)
    context.sslobject_class = _VerifiedObject
    context.check_hostname = not own_names
    context.hostname_checks_common_name = False  # RFC 9525, section 6.3
    # Not VERIFY_X509_STRICT, which Python 3.13 adds: it refuses certificates that break a formal
    # rule of RFC 5280, such as a missing key identifier. Browsers accept them.
    context.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    _trust(context, authorities)
    return context


def fast() -> ssl.SSLContext:
    """The same handshake as the usual verified one, but nobody has looked at the certificate:
    whether it is a known one has to be found out before anything is sent.

    The server still has to prove that it holds the key. The trust store stays empty: with a loaded
    one OpenSSL would verify the chain, and ignore what comes of it.
    """
    context = _strict(USUAL_VERSION)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def unverified(min_version: str | None = None) -> ssl.SSLContext:
    """Accepts any certificate, and every old cipher that OpenSSL still supports; also every old
    version unless there is a ``min_version``."""
    context = _context(min_version)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _strict(min_version: str) -> ssl.SSLContext:
    """What is offered to servers whose certificate matters: no cipher without one (RFC 5246,
    section F.1.1.1)."""
    context = _context(min_version)
    level = _OLD_LEVEL if min_version in _OLD_VERSIONS else _LEVEL
    context.set_ciphers(":".join((*CIPHERS, f"@SECLEVEL={level}")))
    return context


def _context(min_version: str | None) -> ssl.SSLContext:
    """A client's context, with what all of them have in common."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= _OPTIONS
    context.set_alpn_protocols(("http/1.1",))
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        supported = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.minimum_version = _VERSIONS[min_version] if min_version else supported
        context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    return context


def _trust(context: ssl.SSLContext, authorities: str | None) -> None:
    if authorities is not None:
        context.load_verify_locations(cadata=authorities)
        return
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        context.load_default_certs()
    else:
        context.load_verify_locations(certifi.where())


class _VerifiedObject(ssl.SSLObject):
    """A connection that is judged by us where its context keeps OpenSSL from doing so.

    That is within the handshake: nothing has been sent but the handshake itself.
    """

    def do_handshake(self) -> None:
        """See ``ssl.SSLObject``. Raises SSLCertVerificationError with OpenSSL's codes."""
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            if error.verify_code in _WRONG_NAME and not self._names_any_host():
                raise _refused(error.verify_code, NamesNoHost) from error
            raise
        if not self.context.check_hostname:
            self._compare_names()
        if self.context.security_level < _LEVEL:
            self._judge_strength()

    def _names_any_host(self) -> bool:
        """Whether the certificate of a server that was refused names a host or an address."""
        chain = self._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
        return bool(_hosts_of(chain[0].get_info)) if chain else True

    def _compare_names(self) -> None:
        hosts = _hosts_of(self.getpeercert)
        if not certificates.names_host(hosts, self.server_hostname or ""):
            raise _refused(
                certificates.HOSTNAME_MISMATCH,
                ssl.SSLCertVerificationError if hosts else NamesNoHost,
            )

    def _judge_strength(self) -> None:
        code = certificates.weakness(chains.verified(self))
        if code is not None:
            raise _refused(code)


_WRONG_NAME = frozenset({certificates.HOSTNAME_MISMATCH, certificates.IP_ADDRESS_MISMATCH})


def _hosts_of(decoded: Callable[[], Any]) -> list[str]:
    """The names and addresses of a certificate that Python decodes: its subjectAltName."""
    try:
        names = (decoded() or {}).get("subjectAltName", ())
    except (UnicodeDecodeError, ssl.SSLError):
        return ["(not readable)"]
    return [name for kind, name in names if kind in ("DNS", "IP Address")]


def _refused(
    code: int, kind: type[ssl.SSLCertVerificationError] = ssl.SSLCertVerificationError
) -> ssl.SSLCertVerificationError:
    message = certificates.WEAKNESSES.get(code, "Hostname mismatch")
    error = kind(ssl.SSLErrorNumber.SSL_ERROR_SSL, message)
    error.verify_code, error.verify_message = code, message
    return error
