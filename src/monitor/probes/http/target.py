"""Where a request goes: what a connection and a request line need of a URL. Pure."""

from __future__ import annotations

import re

from msgspec import Struct
from yarl import URL

_LEGAL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
"""What may stand in a URL (RFC 3986, section 2); anything else has to be encoded first."""

_SENDABLE = re.compile(r"[\x21-\x7e]*")
"""What can stand in a request line or a Host header without ending it. The host of a redirect may
hold anything: yarl lets control characters pass."""

_PLAIN = re.compile(
    r"(https?)://"
    r"([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
    r"(?::([1-9][0-9]{0,4}))?"
    r"(/[A-Za-z0-9\-._~/]*(?:\?[A-Za-z0-9\-._~/=&]+)?)?"
)
"""URLs that are their own parts, as nearly all websites' are: 2.4 us to take apart, where yarl
takes 8.0 (docs/performance.md)."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Target(Struct, frozen=True):
    """The parts of a URL without user, password and fragment.

    ``host`` and ``path`` (with the query) as they are sent, ``authority`` the Host header
    (RFC 9112, section 3.2), ``url`` the whole.
    """

    scheme: str
    host: str
    port: int
    authority: str
    path: str
    url: str

    @property
    def secure(self) -> bool:
        return self.scheme == "https"


def parse(text: str) -> URL:
    """A URL whose path is sent as it was typed if it is encoded already. Raises ValueError."""
    return URL(text, encoded=_LEGAL.fullmatch(text) is not None)


def of_url(url: URL) -> Target:
    """The parts of an absolute URL. Raises ValueError where one of them cannot be sent."""
    authority, path = url.host_port_subcomponent or "", url.raw_path_qs
    if not _SENDABLE.fullmatch(authority + path):
        raise ValueError("a URL with spaces or control characters in it")
    return _target(url.scheme, url.raw_host or "", url.port or 0, authority, path)


def plain(text: str) -> Target | None:
    """What ``of_url(parse(text))`` gives, quickly; None where it takes more than a look."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    scheme, host, given, path = match.groups()
    default = _DEFAULT_PORTS[scheme]
    port = default if given is None else int(given)
    if port > 65_535:
        return None
    authority = host if port == default else f"{host}:{port}"
    return _target(scheme, host, port, authority, path or "/")


def _target(scheme: str, host: str, port: int, authority: str, path: str) -> Target:
    return Target(scheme, host, port, authority, path, f"{scheme}://{authority}{path}")
