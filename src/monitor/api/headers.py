"""Headers of every response, whoever makes it, and what pages of other origins may do."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.config.cors import CORSConfig

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
"""Responses are not sniffed, cached, framed, or allowed to do anything as a page. HSTS is for the
reverse proxy to send: the API does not know whether it is reached over TLS alone."""


def page_headers(policy: str) -> tuple[Header, ...]:
    """The same, for a page that needs this Content-Security-Policy."""
    return (*_EVERYWHERE, (b"content-security-policy", policy.encode("ascii")))


def cors_config(origins: Sequence[str]) -> CORSConfig | None:
    """What pages of these origins may do (the Fetch standard, "CORS protocol"); None without any.

    API keys travel in a header that a page has to set, so credentials are never allowed. An origin
    is compared as it is written: scheme, host, and port if it is not the scheme's own.
    """
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
        expose_headers=[
            "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate",
        ],
        max_age=600,
    )  # fmt: skip


def cors_headers(config: CORSConfig, origin: str) -> list[Header]:
    """The headers that let an allowed origin read a response that is made without the framework."""
    headers = {**config.simple_headers, "Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
