"""TLS contexts, created once per prober: loading a trust store takes milliseconds."""

from __future__ import annotations

import ssl

import certifi

HANDSHAKE_LIMIT_S = 120.0
"""Longer than any check may take, so that the check's own deadline applies."""

_OP_LEGACY_SERVER_CONNECT = 0x4  # <openssl/ssl.h>; the ssl module names it from Python 3.12 on


def verified(authorities: str | None = None) -> ssl.SSLContext:
    """Verifies certificate and host name against the system's trust store; TLS 1.2 or later.

    Where the system has none, as in bare containers, certifi's is used: without a trust store
    every website would look untrusted. ``authorities``: whom to trust instead, in PEM.

    What a certificate must hold does not depend on the version of Python. From 3.13 on, Python's
    default also refuses one that breaks a formal rule of RFC 5280, such as a missing key
    identifier, and names that rule instead of a weak signature. Browsers accept such certificates.
    """
    paths = ssl.get_default_verify_paths()
    system = paths.cafile or paths.capath or authorities
    cafile = None if system else certifi.where()
    context = ssl.create_default_context(cafile=cafile, cadata=authorities)
    context.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST  # the default before 3.13
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(("http/1.1",))
    return context


def unverified() -> ssl.SSLContext:
    """Accepts any certificate, and every old protocol and cipher that OpenSSL still supports."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= _OP_LEGACY_SERVER_CONNECT
    context.set_alpn_protocols(("http/1.1",))
    return context
