"""Cookies within one check, from redirect to redirect (RFC 6265). Pure.

A check begins without cookies and forgets them at its end. A Domain widens a cookie to the hosts
below it, unless it is a public suffix: hosts below one of those may be strangers to each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import mktime_tz, parsedate_tz
from itertools import islice

from msgspec import Struct
from publicsuffixlist import PublicSuffixList

from monitor.probes.http.target import Target
from monitor.probes.net.address_policy import is_address

MAX_COOKIES = 50
MAX_COOKIE_BYTES = 4096
MAX_TOTAL_BYTES = 16 * 1024
"""No more of a check is kept. Browsers keep as many of one host, and as much of one cookie
(section 6.1); many servers refuse longer heads."""

_MAX_LINE_BYTES = 2 * MAX_COOKIE_BYTES
_MAX_READ_BYTES = 2 * MAX_TOTAL_BYTES  # of one response
_MAX_ATTRIBUTES = 20
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_AGE = re.compile(r"-?[0-9]{1,18}")
_SUFFIXES = PublicSuffixList()
"""Names below which anybody may have one: co.uk, and those of hosting services. A name whose top
level is not listed is below a suffix of one label."""


class Cookie(Struct, frozen=True):
    """``value`` is None where the website has deleted the cookie. ``domain``: whose hosts get it,
    empty if only ``host``, which set it."""

    name: str
    value: str | None
    host: str
    domain: str
    path: str
    secure: bool

    @property
    def size(self) -> int:
        return len(self.name) + len(self.value or "")

    @property
    def place(self) -> tuple[str, str, str]:
        """Of two cookies with the same, the later replaces the earlier (section 5.3, step 11)."""
        return self.name, self.domain or f"={self.host}", self.path


def updated(
    cookies: tuple[Cookie, ...],
    lines: Iterable[bytes],
    sender: Target,
    *,
    alias: str,
    now_s: float,
) -> tuple[Cookie, ...]:
    """The cookies after a response with these Set-Cookie lines. Those that a browser would refuse
    are left out, and the oldest where there are too many.

    ``alias``: the name in the request's Host header.
    """
    by_place = {cookie.place: cookie for cookie in cookies}
    left_bytes = _MAX_READ_BYTES
    for line in islice(lines, MAX_COOKIES):
        left_bytes -= len(line)
        cookie = _parsed(line, sender, alias, now_s) if left_bytes >= 0 else None
        if cookie is not None:
            by_place[cookie.place] = cookie
    return _bounded(list(by_place.values()))


def _bounded(cookies: list[Cookie]) -> tuple[Cookie, ...]:
    """The latest of them, within the limits."""
    total = sum(cookie.size for cookie in cookies)
    begin = 0
    while len(cookies) - begin > MAX_COOKIES or total > MAX_TOTAL_BYTES:
        total -= cookies[begin].size
        begin += 1
    return tuple(cookies[begin:])


def _parsed(line: bytes, sender: Target, alias: str, now_s: float) -> Cookie | None:
    """The cookie of one line (section 5.2), None where it is refused."""
    if len(line) > _MAX_LINE_BYTES or _CONTROL.search(line):
        return None
    pair, *rest = line.decode(errors="surrogateescape").split(";", _MAX_ATTRIBUTES)
    name, equals, value = (part.strip(" \t") for part in pair.partition("="))
    if not equals or not name or len(name) + len(value) > MAX_COOKIE_BYTES:
        return None
    attributes = dict(map(_attribute, rest))
    secure = "secure" in attributes
    domain = _domain(attributes.get("domain", ""), sender, alias)
    if domain is None or (secure and not sender.secure):
        return None
    path = attributes.get("path", "")
    return Cookie(
        name,
        None if _expired(attributes, now_s) else value,
        _canonical(sender.host),
        domain,
        path if path.startswith("/") else _default_path(sender),
        secure,
    )


def _attribute(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(" \t").lower(), value.strip(" \t")


def _domain(attribute: str, sender: Target, alias: str) -> str | None:
    """Whose hosts get the cookie, empty where only its sender does; None where it is refused,
    because its Domain is not the sender's (section 5.3, steps 5 and 6)."""
    domain, host = attribute.removeprefix(".").lower(), _canonical(sender.host)
    if not domain or not domain.isascii():
        return ""  # its sender alone gets what we cannot compare
    if _SUFFIXES.is_public(domain):
        return "" if domain == host else None
    if _below(host, domain):
        return domain
    return "" if _below(_canonical(alias), domain) else None


def _below(host: str, domain: str) -> bool:
    """Whether a host is at or below a domain (section 5.1.3)."""
    return host == domain or (host.endswith(f".{domain}") and not is_address(host))


def _canonical(host: str) -> str:
    return host.rstrip(".").lower()


def _default_path(sender: Target) -> str:
    """The directory of the path that was asked for (section 5.1.4)."""
    return sender.path.partition("?")[0].rpartition("/")[0] or "/"


def _expired(attributes: dict[str, str], now_s: float) -> bool:
    """Whether a cookie deletes itself. Max-Age wins over Expires (section 4.1.2.2)."""
    age = attributes.get("max-age", "")
    if _MAX_AGE.fullmatch(age):
        return int(age) <= 0
    try:
        date = parsedate_tz(attributes.get("expires", ""))
        return date is not None and mktime_tz(date) <= now_s
    except (ValueError, OverflowError, IndexError, TypeError):
        return False  # what is no date is not looked at (section 5.2.1)


def header(cookies: tuple[Cookie, ...], own: str, to: Target) -> str:
    """The Cookie header of a request, empty where there is none (section 5.4).

    ``own``: the owner's. What the website has set or deleted since takes the place of cookies of
    the same name in it.
    """
    matching = [cookie for cookie in cookies if _matches(cookie, to)]
    matching.sort(key=lambda cookie: -len(cookie.path))
    names = {cookie.name for cookie in matching}
    pairs = [pair.strip() for pair in own.split(";")]
    kept = [pair for pair in pairs if pair and pair.partition("=")[0].strip() not in names]
    return "; ".join([*kept, *(f"{c.name}={c.value}" for c in matching if c.value is not None)])


def _matches(cookie: Cookie, to: Target) -> bool:
    host, path = _canonical(to.host), to.path.partition("?")[0]
    if cookie.secure and not to.secure:
        return False
    if host != cookie.host and not (cookie.domain and _below(host, cookie.domain)):
        return False
    return path == cookie.path or path.startswith(cookie.path.rstrip("/") + "/")
