"""How a setting's text becomes its value. Each parser raises ValueError: "must be ...".

The message never quotes the text: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from msgspec import Struct

from monitor.resources import mail_address
from monitor.resources.mail_address import InvalidAddress, MailAddress

_FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]=")

Network = IPv4Network | IPv6Network


class Parser(Struct, frozen=True):
    """Reads a setting's text. ``form`` says to people what the text is, bounds included."""

    form: str
    read: Callable[[str], Any]

    def __call__(self, value: str) -> Any:
        """The value. Raises ValueError, "must be ...", where the text is malformed."""
        return self.read(value)


def parser(form: str) -> Callable[[Callable[[str], Any]], Parser]:
    """Make a parser of a function that reads this form."""
    return lambda read: Parser(form, read)


_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


@parser("text")
def text(value: str) -> str:
    return value


@parser("a path")
def path(value: str) -> Path:
    return Path(value)


def url(*schemes: str) -> Parser:
    """A URL with one of these schemes that names a host (for ``unix``: a path)."""

    def parse(value: str) -> str:
        parts = _split(value)
        if parts.scheme not in schemes:
            raise ValueError(f"must start with {_schemes(schemes)}")
        if not (parts.path if parts.scheme == "unix" else parts.hostname):
            raise ValueError("must name a host")
        return value

    return Parser(f"a URL that starts with {_schemes(schemes)}", parse)


def _schemes(schemes: tuple[str, ...]) -> str:
    return " or ".join(f"{scheme}://" for scheme in schemes)


@parser("a URL that starts with postgresql:// or postgres://")
def postgres_url(value: str) -> str:
    """A libpq URL; its host may stand in the query, as one does that is a socket's directory."""
    parts = _split(value)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("must start with postgresql:// or postgres://")
    if not (parts.hostname or parse_qs(parts.query).keys() & {"host", "hostaddr", "service"}):
        raise ValueError("must name a host, or a socket's directory as ?host=/path")
    return value


def plain_url(*schemes: str) -> Parser:
    """A URL that is shown to people and so must not hold a password."""
    whole = url(*schemes)

    def parse(value: str) -> str:
        whole(value)
        if "@" in _split(value).netloc:
            raise ValueError("must not hold a user or password: there is a setting for them")
        return value

    return Parser(f"{whole.form}, without user and password", parse)


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port  # reading it is what checks it
    except ValueError:
        # Its own message quotes the text, and a / in a password makes that the password.
        raise ValueError(
            "must be a URL with a number for its port (in a password, / @ : # ? are written %2F "
            "%40 %3A %23 %3F)"
        ) from None
    return parts


def integer(minimum: int, maximum: int) -> Parser:
    form = f"a whole number from {minimum} to {maximum}"

    def parse(value: str) -> int:
        digits = value.strip()
        if not (digits.isascii() and digits.isdecimal()) or not minimum <= int(digits) <= maximum:
            raise ValueError(f"must be {form}")
        return int(digits)

    return Parser(form, parse)


def one_of(*words: str) -> Parser:
    form = f"one of {', '.join(words)}"

    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"must be {form}")
        return value

    return Parser(form, parse)


@parser("1 to 32 of a-z, 0-9 and -, starting with a letter")
def region(value: str) -> str:
    if not region_name_ok(value):
        raise ValueError("must be 1 to 32 of a-z, 0-9 and -, starting with a letter")
    return value


def region_name_ok(value: str) -> bool:
    """Whether this can name a region, and so a queue: lower case letters, digits, dashes."""
    plain = value.replace("-", "")
    ascii_ok = plain.isascii() and plain.isalnum() and plain == plain.lower()
    return ascii_ok and len(value) <= 32 and value[0].isalpha()


@parser("an e-mail address, `user@domain` or `Name <user@domain>`")
def mailbox(value: str) -> MailAddress:
    """One address; only a mail server knows whether somebody has it."""
    try:
        return mail_address.one(value)
    except InvalidAddress as error:
        raise ValueError(
            f"must be an e-mail address, with or without a name before it; it {error.why}"
        ) from None


@parser("e-mail addresses, separated by commas, semicolons or blanks")
def mail_addresses(value: str) -> tuple[str, ...]:
    """Addresses without the names that may stand before them, each once."""
    try:
        addresses = mail_address.several(value)
    except InvalidAddress as error:
        raise ValueError(
            f"must be e-mail addresses, separated by commas; number {error.number} {error.why}"
        ) from None
    if value.strip() and not addresses:
        raise ValueError("must be e-mail addresses, separated by commas; it names none")
    kept: dict[str, str] = {}
    for one in addresses:
        kept.setdefault(one.address.lower(), one.address)
    return tuple(kept.values())


@parser("IP addresses, each with or without :port, separated by commas")
def dns_servers(value: str) -> tuple[str, ...]:
    """``192.0.2.1``, ``192.0.2.1:53``, ``2001:db8::1`` or ``[2001:db8::1]:53``, with commas."""
    words = _words(value)
    try:
        for word in words:
            ip_address(_without_port(word))
    except ValueError:
        raise ValueError(
            "must be IP addresses, each with or without :port, separated by commas"
        ) from None
    return words


def _without_port(word: str) -> str:
    if word.startswith("[") or word.count(":") == 1:
        return _address(word)[0]
    return word


@parser("host:port, several of them separated by commas")
def addresses(value: str) -> tuple[tuple[str, int], ...]:
    """``host:port``, separated by commas; an IPv6 address stands in brackets."""
    return tuple(_address(word) for word in _words(value))


def _address(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    digits = port.isascii() and port.isdecimal()
    if not host or not digits or not 0 < int(port) < 65_536:
        raise ValueError("must be host:port, several of them separated by commas")
    return host.strip("[]"), int(port)


@parser("origins, separated by commas")
def origins(value: str) -> tuple[str, ...]:
    """``https://a.example,http://localhost:3000``, as browsers write them (RFC 6454, 6.2)."""
    return tuple(_origin(word) for word in _words(value))


def _origin(word: str) -> str:
    parts = _split(word)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    plain = _ORIGIN.fullmatch(word) is not None
    if not plain or default is None or parts.port == default:
        raise ValueError(
            "must be origins like https://status.example.com, in full: no *, no path, and no port "
            "that is the scheme's own"
        )
    return word


@parser("keys, separated by commas")
def fernet_keys(value: str) -> tuple[str, ...]:
    """Keys of 32 bytes in URL-safe base64, with commas."""
    words = _words(value)
    if not words or not all(_FERNET_KEY.fullmatch(word) for word in words):
        raise ValueError("must be keys as `monitor secrets key` makes them, separated by commas")
    return words


@parser("networks like 10.0.0.0/8, separated by commas")
def networks(value: str) -> tuple[Network, ...]:
    """``10.0.0.0/8,fd00::/8``: networks without bits set behind their prefix."""
    return _networks(_words(value))


def _networks(words: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(word) for word in words)
    except ValueError:
        raise ValueError("must be networks like 10.0.0.0/8, separated by commas") from None


@parser("networks like 10.0.0.0/8, separated by commas, or * for all")
def proxies(value: str) -> tuple[Network, ...]:
    """The same; ``*`` is everybody, as FORWARDED_ALLOW_IPS has it."""
    words = _words(value)
    return _networks(("0.0.0.0/0", "::/0") if "*" in words else words)


def _words(value: str) -> tuple[str, ...]:
    return tuple(w for w in (part.strip() for part in value.split(",")) if w)
