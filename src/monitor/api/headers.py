"""Security headers of every response, and the CORS policy."""

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
"""Browsers must not sniff, cache or frame responses, or run anything in them. HSTS is left to the
reverse proxy: the API does not know whether clients reach it over TLS only."""


def page_headers(policy: str) -> tuple[Header, ...]:
    """The same headers for a page with this Content-Security-Policy."""
    return (*_EVERYWHERE, (b"content-security-policy", policy.encode("ascii")))


def cors_config(origins: Sequence[str]) -> CORSConfig | None:
    """The CORS policy for pages of these origins (Fetch standard, "CORS protocol"), if any.

    Pages send the API key in a header, so credentials (cookies) are never allowed. Origins are
    compared literally: scheme, host, and the port unless it is the scheme's default.
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
    """The headers that let an allowed origin read a response made without Litestar."""
    headers = {**config.simple_headers, "Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
