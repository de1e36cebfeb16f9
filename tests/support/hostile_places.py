"""Websites that are hostile on the way to an answer: names, connections, TLS, redirects."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial

import trustme

from monitor.domain.outcome import Reason
from support import hostile_tls, tls_floods
from support.hostile_behaviours import (
    FINE,
    after_hello,
    drips,
    floods_first,
    redirects_raw,
    redirects_to,
    resets_after_hello,
)
from support.hostile_case import Case, down, up
from support.targets import (
    answers,
    by_path,
    redirects,
    refusing_port,
    sends_and_stays,
    silent,
    unanswering_port,
)
from support.targets_tls import certified, named_by_hand, named_unreadably, self_signed

_NOWHERE, _BLOCKED = Reason.INVALID_REDIRECT, Reason.BLOCKED_TARGET
_MALFORMED, _MANY = Reason.INVALID_RESPONSE, Reason.TOO_MANY_REDIRECTS
_RESET, _LATE = Reason.CONNECTION_RESET, Reason.RESPONSE_TIMEOUT
_DNS, _DNS_LATE = Reason.DNS_ERROR, Reason.DNS_TIMEOUT
_TLS, _TLS_LATE, _UNTRUSTED = Reason.TLS_ERROR, Reason.TLS_TIMEOUT, Reason.TLS_UNTRUSTED


def _leads(name: str, location: str, reason: Reason = _NOWHERE, says: str = "") -> Case:
    """A redirect that ends there; refused as such, its status is what the check has seen."""
    status = 302 if reason is _NOWHERE else 0
    return down(name, reason, says, status=status, behaviour=redirects(location))


REDIRECTS = [
    down("to-itself", _MANY, status=302, behaviour=redirects("/")),
    down(
        "ring-of-two",
        _MANY,
        status=307,
        behaviour=by_path({"/": redirects("/b", 307), "/b": redirects("/", 307)}),
    ),
    _leads("to-file", "file:///etc/passwd"),
    _leads("to-javascript", "javascript:alert(1)"),
    _leads("to-ftp", "ftp://127.0.0.1/"),
    _leads("to-data", "data:text/html,fine"),
    _leads("to-gopher", "gopher://127.0.0.1:6379/_FLUSHALL"),
    _leads("to-unix-socket", "http+unix://%2Frun%2Fdocker.sock/"),
    _leads("to-metadata", "http://169.254.169.254/latest/", _BLOCKED, "169.254.169.254 is not"),
    _leads("to-metadata-by-name", "http://metadata.test/", _BLOCKED, "169.254.169.254 is not"),
    _leads("to-inner-name", "http://inner.test/", _BLOCKED, "127.0.0.2 is not"),
    _leads("to-no-name", "http://nowhere.test/", _DNS, "nowhere.test: there is no such name"),
    _leads("to-100-kB", "/" + "x" * 100_000, _MALFORMED, "too long"),
    _leads("to-40-kB", "/" + "x" * 40_000, says="too long"),
    up("to-30-kB", behaviour=redirects_to(lambda _: "/" + "x" * 30_000)),
    down("to-20-kB-of-noise", _MANY, status=302, behaviour=redirects_raw(b"/" + b"\xff" * 20_000)),
    _leads("to-30-kB-of-noise", "/" + "\u00ff" * 15_000, says="too long"),
    down(
        "to-farther-and-farther",
        _NOWHERE,
        "too long",
        status=302,
        behaviour=redirects_raw(b"x" * 30_000 + b"/"),
    ),
    down(
        "to-itself-with-cookies-by-the-thousand",
        _MANY,
        status=302,
        behaviour=redirects_raw(b"/", b"Set-Cookie: name=value; Path=/a; Secure=1\r\n" * 900),
    ),
    down(
        "to-itself-with-large-cookies",
        _MANY,
        status=302,
        behaviour=redirects_raw(
            b"/", b"".join(b"Set-Cookie: %d=%s\r\n" % (n, b"x" * 4000) for n in range(50))
        ),
    ),
    _leads("to-port-99999", "http://127.0.0.1:99999/"),
    _leads("to-port-0", "http://127.0.0.1:0/"),
    _leads("to-port-of-letters", "http://127.0.0.1:http/"),
    _leads("to-port-negative", "http://127.0.0.1:-1/"),
    _leads("to-no-host", "http:///etc/passwd"),
    _leads("to-open-bracket", "http://[::1/"),
    _leads("to-overlong-label", f"http://{'x' * 64}.test/", _DNS),
    _leads("to-empty-label", "http://a..test/", _DNS),
    _leads("to-empty-location", ""),
    down("without-location", _NOWHERE, status=302, behaviour=answers(302, b"")),
    down("location-of-nul", _MALFORMED, behaviour=redirects_raw(b"/a\0b")),
    down("location-of-noise", _NOWHERE, status=302, behaviour=redirects_raw(b"http://\xff\xfe/")),
    up("to-userinfo", behaviour=redirects_to(lambda host: f"http://user:pw@{host}/fine")),
    up("to-spaces", behaviour=redirects_to(lambda _: "/a fine place")),
]


def _certificate(
    name: str, reason: Reason, says: str, context: Callable[[], ssl.SSLContext]
) -> list[Case]:
    """Down with it, and up where nobody looks at certificates."""
    return [
        down(f"certificate-{name}", reason, says, tls=context, behaviour=answers()),
        up(f"unlooked-{name}", tls=context, behaviour=answers(), verify_ssl=False),
    ]


_HERE = partial(certified, "127.0.0.1")
_STRANGER = trustme.CA()
_EXPIRED = Reason.TLS_EXPIRED

CERTIFICATES = [
    *_certificate("expired", _EXPIRED, "has expired", partial(_HERE, valid_days=(-9, -2))),
    *_certificate("not-yet", _EXPIRED, "not valid yet", partial(_HERE, valid_days=(2, 9))),
    *_certificate("self-signed", _UNTRUSTED, "self", partial(self_signed, "127.0.0.1")),
    *_certificate("of-a-stranger", _UNTRUSTED, "issuer", partial(_HERE, ca=_STRANGER)),
    *_certificate("wrong-name", Reason.TLS_HOSTNAME, "127", partial(certified, "other.test")),
    *_certificate(
        "no-name",
        Reason.TLS_HOSTNAME,
        "it names no host",
        partial(named_by_hand, common_name="127.0.0.1"),
    ),
    *_certificate("unreadable-name", Reason.TLS_HOSTNAME, "127", named_unreadably),
    *_certificate("short-key", _UNTRUSTED, "key too weak", hostile_tls.short_key),
    *_certificate("sha-1", _UNTRUSTED, "digest algorithm too weak", hostile_tls.sha1_signature),
]

_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
_HUGE_HELLO = b"\x16\x03\x03\x40\x00\x02\xff\xff\xff" + b"\0" * 0x3FFC
"""A record of 16 KiB that begins a ServerHello of 16 MiB (RFC 8446, section 4)."""

HANDSHAKES = [
    down("tls-silence", _TLS_LATE, scheme="https", behaviour=silent),
    down("tls-half-a-record", _TLS_LATE, scheme="https", behaviour=after_hello(_HUGE_HELLO[:9])),
    down("tls-dripping", _TLS_LATE, scheme="https", wait_s=3, behaviour=drips(_HUGE_HELLO)),
    down("tls-noise", _TLS, scheme="https", behaviour=after_hello(b"\xff" * 4096)),
    down("tls-noise-for-ever", _TLS, scheme="https", behaviour=floods_first(b"\xff" * 65_536)),
    down("tls-huge-hello", _TLS, scheme="https", behaviour=after_hello(_HUGE_HELLO)),
    down(
        "tls-plain-http", _TLS, "wrong version number", scheme="https", behaviour=after_hello(FINE)
    ),
    down(
        "tls-alert", _TLS, "alert protocol version", scheme="https", behaviour=after_hello(_ALERT)
    ),
    down("tls-closes", _RESET, scheme="https", behaviour=after_hello(b"", stays=False)),
    down("tls-resets", _RESET, scheme="https", behaviour=resets_after_hello),
    down("tls-then-silence", _LATE, tls=_HERE, behaviour=silent),
    down("tls-then-drips", _LATE, tls=_HERE, wait_s=3, behaviour=drips(FINE)),
    down("tls-then-noise", _MALFORMED, tls=_HERE, behaviour=floods_first(b"\xff" * 65_536)),
    down("plain-http-gets-tls", _MALFORMED, behaviour=sends_and_stays(_ALERT)),
]


def _named(name: str, host: str, reason: Reason, says: str = "") -> Case:
    return down(name, reason, says, host=host, behaviour=answers())


def _malformed(name: str, host: str) -> Case:
    """A name whose DNS answer cannot be read."""
    return down(name, _DNS, "the DNS answer is malformed", host=host, behaviour=answers())


NAMES = [
    down("refuses", Reason.CONNECTION_REFUSED, port=refusing_port),
    down("full-backlog", Reason.CONNECT_TIMEOUT, port=unanswering_port),
    up("ipv6-alone", listen="::1", behaviour=answers()),
    up("ipv6-alone-by-name", listen="::1", host="six.test", behaviour=answers()),
    up("name-in-unicode", host="bücher.test", behaviour=answers()),
    up("name-in-capitals", host="BÜCHER.Test", behaviour=answers()),
    up("name-in-punycode", host="xn--bcher-kva.test", behaviour=answers()),
    up("name-of-a-snowman", host="☃.test", behaviour=answers()),
    _named("name-of-500-addresses", "crowd.test", Reason.CONNECTION_REFUSED),
    _named("name-blocked", "inner.test", _BLOCKED),
    _named("name-of-nobody", "nowhere.test", _DNS, "there is no such name"),
    _named("name-without-address", "empty.test", _DNS, "no address"),
    _named("name-servfail", "failing.test", _DNS, "SERVFAIL"),
    _named("name-refused", "refusing.test", _DNS, "REFUSED"),
    _named("name-silent", "silent.test", _DNS_LATE),
    _malformed("name-noise", "noise.test"),
    _named("name-of-another", "of-another.test", _DNS_LATE),
    _malformed("name-garbled", "garbled.test"),
    _malformed("name-cut-short", "cut-short.test"),
    _malformed("name-short-address", "short-address.test"),
    _malformed("name-pointer-loop", "pointer-loop.test"),
    _malformed("name-more-counted", "more-counted.test"),
    _named("name-always-truncated", "always-truncated.test", _DNS),
    _named("name-alias-of-itself", "alias-of-itself.test", _DNS),
    _named("name-alias-ring", "alias-ring.test", _DNS),
    _named("name-alias-chain", "alias-chain.test", _DNS),
    _named("name-overlong-in-punycode", "ü" * 63 + ".test", _DNS, "not a valid name"),
    _named("name-overlong", "x" * 64 + ".test", _DNS),
    _named("name-with-empty-label", "a..test", _DNS),
    _named("name-broken-punycode", "xn--a.test", _DNS),
    _named("name-with-hyphens", "-a-.test", _DNS),
]

FLOODS = [
    Case(
        name=f"tls-{flood.version}-{flood.name.replace(' ', '-')}",
        reason=flood.reason,
        status=200 if flood.reason is None else None,
        says=flood.evidence,
        scheme="https",
        behaviour=flood.over_tcp,
    )
    for flood in tls_floods.FLOODS
]

PLACES: list[Case] = [*REDIRECTS, *CERTIFICATES, *HANDSHAKES, *FLOODS, *NAMES]
