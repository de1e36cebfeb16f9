"""Headers that every answer has, whoever makes it, and what browsers of other origins may do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Header = tuple[bytes, bytes]

_EVERYWHERE: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

API_HEADERS: tuple[Header, ...] = (
    *_EVERYWHERE,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Answers are not guessed at, kept, framed, or allowed to do anything as a page. That the API is
to be reached over TLS alone (HSTS) is for the server before it to say: here nobody knows."""


def page_headers(policy: str) -> tuple[Header, ...]:
    """The same for a page that needs this Content-Security-Policy."""
    return (*_EVERYWHERE, (b"content-security-policy", policy.encode("ascii")))


class Cors:
    """Cross-origin requests (the Fetch standard, "CORS protocol") of the origins that were named.

    Keys travel in a header that a page has to set, so credentials are never allowed. An origin is
    compared as it is written: scheme, host, and port where it is not the scheme's own.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    def headers(self, origin: bytes | None) -> list[Header]:
        """For an answer; nothing where no origin was named in the settings."""
        if not self._origins:
            return []
        varies = [(b"vary", b"Origin")]
        if origin not in self._origins:
            return varies
        return [
            *varies,
            (b"access-control-allow-origin", origin),
            (
                b"access-control-expose-headers",
                b"Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate",
            ),
        ]

    def preflight(self, method: str, asked: Sequence[Header]) -> list[Header] | None:
        """What the answer to a preflight that is granted has beside ``headers``; None: it is not
        granted, or none."""
        said = dict(asked)
        if method != "OPTIONS" or b"access-control-request-method" not in said:
            return None
        if said.get(b"origin") not in self._origins:
            return None
        return [
            (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
            (
                b"access-control-allow-headers",
                b"Authorization, Content-Type, Idempotency-Key",
            ),
            (b"access-control-max-age", b"600"),
        ]
