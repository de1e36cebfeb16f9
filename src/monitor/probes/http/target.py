"""The target of a request: the parts of a URL that a connection and a request line need. Pure."""

from __future__ import annotations

import re

from msgspec import Struct
from yarl import URL

_LEGAL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
"""Characters allowed in a URL (RFC 3986, section 2); anything else must be encoded first."""

_SENDABLE = re.compile(r"[\x21-\x7e]*")
"""Characters that cannot end a request line or a Host header. A redirect's host may contain
anything: yarl lets control characters pass."""

_PLAIN = re.compile(
    r"(https?)://"
    r"([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
    r"(?::([1-9][0-9]{0,4}))?"
    r"(/[A-Za-z0-9\-._~/]*(?:\?[A-Za-z0-9\-._~/=&]+)?)?"
)
"""URLs in normal form, as nearly all websites' are: split in 2.4 us, where yarl takes 8.0
(docs/performance.md)."""

_REFERENCE = re.compile(
    rb"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(\?[^#]*)?(?:#.*)?", re.DOTALL
)
"""Scheme, authority, path and query of a URL reference (RFC 3986, appendix B)."""

_ENCODED = [chr(b) if b < 128 and _LEGAL.fullmatch(chr(b)) else f"%{b:02X}" for b in range(256)]
_MAX_AUTHORITY_BYTES = 1024

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Target(Struct, frozen=True):
    """The parts of a URL without user, password and fragment.

    ``host`` and ``path`` (with the query) are as sent, ``authority`` is the Host header (RFC 9112,
    section 3.2), ``url`` the whole.
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
    """A URL whose path is sent as typed if it is already encoded. Raises ValueError."""
    return URL(text, encoded=_LEGAL.fullmatch(text) is not None)


def of_url(url: URL) -> Target:
    """The parts of an absolute URL. Raises ValueError where one cannot be sent."""
    authority, path = url.host_port_subcomponent or "", url.raw_path_qs
    if not _SENDABLE.fullmatch(authority + path):
        raise ValueError("a URL with spaces or control characters in it")
    return _target(url.scheme, url.raw_host or "", url.port or 0, authority, path)


def plain(text: str) -> Target | None:
    """The same as ``of_url(parse(text))``, faster; None for URLs that are not in normal form."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    scheme, host, port_text, path = match.groups()
    default = _DEFAULT_PORTS[scheme]
    port = default if port_text is None else int(port_text)
    if port > 65_535:
        return None
    authority = host if port == default else f"{host}:{port}"
    return _target(scheme, host, port, authority, path or "/")


def joined(base: Target, reference: bytes) -> Target:
    """Where a redirect from ``base`` leads (RFC 3986, section 5.2). Raises ValueError where that
    is no http or https URL.

    Bytes that may not stand in a path or query are percent-encoded as they came, whatever
    character set they are of.
    """
    match = _REFERENCE.fullmatch(reference)
    assert match is not None
    scheme, authority, path, query = match.groups()
    if authority is not None:
        to = _of_authority(scheme.decode().lower() if scheme else base.scheme, authority)
        return _at(to, _without_dots(_encoded(path) or "/") + _encoded(query or b""))
    if scheme is not None:
        raise ValueError("a URL without a host")
    base_path = base.path.partition("?")[0]
    if not path:
        return base if query is None else _at(base, base_path + _encoded(query))
    directory = b"" if path.startswith(b"/") else base_path.rpartition("/")[0].encode() + b"/"
    return _at(base, _without_dots(_encoded(directory + path)) + _encoded(query or b""))


def _of_authority(scheme: str, authority: bytes) -> Target:
    if scheme not in _DEFAULT_PORTS or len(authority) > _MAX_AUTHORITY_BYTES:
        raise ValueError("not an http or https URL")
    to = of_url(parse(f"{scheme}://{authority.decode()}/"))
    if not to.host or not to.port:
        raise ValueError("a URL without a host or port")
    return to


def _at(to: Target, path: str) -> Target:
    return _target(to.scheme, to.host, to.port, to.authority, path)


def _encoded(part: bytes) -> str:
    return "".join(map(_ENCODED.__getitem__, part))


def _without_dots(path: str) -> str:
    """An absolute path without the segments ``.`` and ``..`` (RFC 3986, section 5.2.4)."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _target(scheme: str, host: str, port: int, authority: str, path: str) -> Target:
    return Target(scheme, host, port, authority, path, f"{scheme}://{authority}{path}")
