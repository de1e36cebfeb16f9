"""Validation of single values. Pure.

Each check returns the value to store or raises InvalidValue. Messages complete a sentence that
begins with the field's name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from functools import cache
from ipaddress import IPv6Address
from typing import Any, TypeGuard
from urllib.parse import SplitResult, urlsplit
from zoneinfo import available_timezones

from monitor.domain import hosts
from monitor.domain.access import Role
from monitor.domain.outcome import printable
from monitor.domain.status_codes import StatusRanges
from monitor.resources import mail_address
from monitor.resources.mail_address import InvalidAddress

HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TLS_VERSIONS = ("1.0", "1.1", "1.2", "1.3")
MAX_URL_LENGTH = 2048
MAX_HEADERS = 50
MAX_HEADER_NAME, MAX_HEADER_VALUE = 128, 4096
MAX_BODY_LENGTH = 65_536
MAX_STATUS_ITEMS = 100
MAX_EMAILS = 20
MAX_REGIONS = 100

CONNECTION_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that frame a message or belong to one connection (RFC 9110, section 7.6.1; RFC 9112,
section 6). Only the HTTP client may set them, or one request could be mistaken for two."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_FIELD_VALUE = re.compile(r"[\x20-\x7e\t]*")  # RFC 9110, section 5.5, without obs-text
_STATUS_RANGE = re.compile(r"([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?")
_STATUS_CLASS = re.compile(r"([1-9])[xX]{2}")
_REGION = re.compile(r"[a-z][a-z0-9-]{0,31}")
_HOST_LABEL = re.compile(r"[A-Za-z0-9_\u0080-\U0010ffff-]{1,63}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_INSTANT_FORM = "must be a time with its offset, like 2026-11-24T10:00:00Z"
_PORT = re.compile(r"[0-9]{1,5}")


class InvalidValue(Exception):
    """The value is invalid; the message says what it must be."""


def text(value: object, most: int, *, least: int = 1) -> str:
    """One line of ``least`` to ``most`` characters: no control characters, not only spaces."""
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise InvalidValue(f"must be a string of {least} to {most} characters")
    if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in value):
        raise InvalidValue("must not contain control characters")
    if least and not value.strip():
        raise InvalidValue("must not be only spaces")
    return value


def integer(value: object, least: int, most: int) -> int:
    """A JSON number without fraction or exponent, from ``least`` to ``most``."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidValue(f"must be a whole number from {least} to {most}")
    return value


def instant(value: str) -> dt.datetime:
    """A date and time with offset (RFC 3339, section 5.6), not a bare number."""
    if not _INSTANT.fullmatch(value):
        raise InvalidValue(_INSTANT_FORM)
    try:
        return dt.datetime.fromisoformat(value.upper())
    except ValueError:
        raise InvalidValue(_INSTANT_FORM) from None


def boolean(value: object) -> bool:
    """true or false, but not a string or number that means it."""
    if not isinstance(value, bool):
        raise InvalidValue("must be true or false")
    return value


def url(value: object) -> str:
    """An absolute http or https URL (RFC 3986) without a user name or password."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_URL_LENGTH:
        raise InvalidValue(f"must be a string of 1 to {MAX_URL_LENGTH} characters")
    if "\\" in value or any(c.isspace() or not c.isprintable() for c in value):
        raise InvalidValue("must not contain spaces, backslashes or control characters")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise InvalidValue("is not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise InvalidValue("must begin with http:// or https://")
    if "@" in parts.netloc:
        raise InvalidValue("must not contain a user name or password; use request_headers")
    _check_host_and_port(parts)
    return value


def _check_host_and_port(parts: SplitResult) -> None:
    host, bracket, rest = parts.netloc.partition("]")
    if bracket:
        _check_ipv6(host.removeprefix("["))
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = parts.netloc.partition(":")
        _check_host_name(host)
    if colon not in ("", ":") or (colon and not _port_ok(port)):
        raise InvalidValue("must have a port from 1 to 65535, or none")


def _check_ipv6(host: str) -> None:
    try:
        IPv6Address(host)
    except ValueError:
        raise InvalidValue("contains an invalid IPv6 address") from None
    if "%" in host:
        raise InvalidValue("must not name the zone of an IPv6 address")


def _check_host_name(host: str) -> None:
    # In the form that is looked up: U+00B8, for one, becomes a space and a combining cedilla.
    plain = hosts.plain(host)
    labels = plain.removesuffix(".").split(".")
    if not host or len(host) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise InvalidValue("must name a host")
    if hosts.is_odd_address(plain):
        raise InvalidValue(
            "must write an IPv4 address as four decimal numbers without leading zeros"
        )


def _port_ok(port: str) -> bool:
    return bool(_PORT.fullmatch(port)) and 0 < int(port) < 65_536


def tls_version(value: object) -> str:
    """One of TLS_VERSIONS, as text. "1" is what spreadsheets make of 1.0."""
    version = "1.0" if value == "1" else value
    if not isinstance(version, str) or version not in TLS_VERSIONS:
        raise InvalidValue(f"must be text, one of {', '.join(TLS_VERSIONS)}, or null")
    return version


def http_method(value: object) -> str:
    """One of HTTP_METHODS, in upper or lower case; stored in upper case."""
    if not isinstance(value, str) or value.upper() not in HTTP_METHODS:
        raise InvalidValue(f"must be one of {', '.join(HTTP_METHODS)}")
    return value.upper()


def headers(value: object) -> dict[str, str]:
    """An object of header names and values (RFC 9110, section 5), stored as sent."""
    if not isinstance(value, Mapping) or len(value) > MAX_HEADERS:
        raise InvalidValue(f"must be an object of at most {MAX_HEADERS} names and values")
    seen: set[str] = set()
    for name, content in value.items():
        _check_header(name, content)
        if name.lower() in seen:
            raise InvalidValue(f"names {name} twice")
        seen.add(name.lower())
    return dict(value)


def _check_header(name: str, content: object) -> None:
    if len(name) > MAX_HEADER_NAME or not _TOKEN.fullmatch(name):
        raise InvalidValue("contains an invalid header name")
    if name.lower() in CONNECTION_HEADERS:
        raise InvalidValue(f"must not set {name}: the HTTP client does")
    if not isinstance(content, str) or len(content) > MAX_HEADER_VALUE:
        raise InvalidValue(f"must give {name} a string of at most {MAX_HEADER_VALUE} characters")
    if not _FIELD_VALUE.fullmatch(content) or content != content.strip():
        raise InvalidValue(
            f"must give {name} visible ASCII characters, without line breaks, and without "
            "spaces at either end"
        )


def request_body(value: object) -> str:
    """Any text without NUL, which Postgres cannot hold."""
    if not isinstance(value, str) or len(value) > MAX_BODY_LENGTH:
        raise InvalidValue(f"must be a string of at most {MAX_BODY_LENGTH} characters")
    if "\0" in value:
        raise InvalidValue("must not contain NUL characters")
    return value


def status_codes(value: object) -> StatusRanges:
    """Merge items like those of ``[204, "300-399", "2xx"]`` into sorted, separate ranges.

    A status code has three digits, and those above 599 are in use though no standard defines them
    (RFC 9110, section 15).
    """
    if not _is_list(value) or not 1 <= len(value) <= MAX_STATUS_ITEMS:
        raise InvalidValue(f"must be an array of 1 to {MAX_STATUS_ITEMS} codes and ranges")
    merged: list[tuple[int, int]] = []
    for lo, hi in sorted(_status_range(item, number) for number, item in enumerate(value, 1)):
        if merged and lo <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
        else:
            merged.append((lo, hi))
    return tuple(merged)


def _status_range(item: object, number: int) -> tuple[int, int]:
    """The first and the last code that the item with this number in the array stands for."""
    if isinstance(item, int) and not isinstance(item, bool) and 100 <= item <= 999:
        return item, item
    named = f"item {number}"
    if isinstance(item, str):
        if match := _STATUS_CLASS.fullmatch(item):
            return int(match[1]) * 100, int(match[1]) * 100 + 99
        match = _STATUS_RANGE.fullmatch(item)
        if match and int(match[1]) <= int(match[2] or match[1]):
            return int(match[1]), int(match[2] or match[1])
        named = f'"{printable(item, 20)}"'
    raise InvalidValue(
        'must hold numbers from 100 to 999, ranges like "200-399" and classes like "2xx"; '
        f"{named} is none of these"
    )


def written_status_codes(ranges: StatusRanges) -> list[int | str]:
    """Ranges as sent: a number for a single code, else ``"lo-hi"``."""
    return [lo if lo == hi else f"{lo}-{hi}" for lo, hi in ranges]


def role(value: object) -> Role:
    """One of the roles."""
    if not isinstance(value, str) or value not in tuple(Role):
        raise InvalidValue(f"must be one of {', '.join(Role)}")
    return Role(value)


def email(value: object) -> str:
    """One e-mail address, in ASCII, without the name that may stand before it."""
    try:
        addresses = mail_address.several(value) if isinstance(value, str) else ()
    except InvalidAddress as error:
        raise InvalidValue(f"must be an e-mail address, and {error.why}") from None
    if len(addresses) != 1:
        raise InvalidValue("must be one e-mail address")
    return addresses[0].address


def emails(value: object) -> tuple[str, ...]:
    """E-mail addresses without duplicates, and without the names that may stand before them."""
    items = enumerate(value[: MAX_EMAILS + 1], 1) if _is_list(value) else None
    addresses = [address for number, item in items or () for address in _emails(item, number)]
    if items is None or len(addresses) > MAX_EMAILS:
        raise InvalidValue(f"must be an array of at most {MAX_EMAILS} addresses")
    if len({address.lower() for address in addresses}) < len(addresses):
        raise InvalidValue("must not hold an address twice")
    return tuple(addresses)


def _emails(item: object, number: int) -> list[str]:
    """The addresses in an item: one, or several where somebody wrote a list in one text."""
    try:
        addresses = mail_address.several(item) if isinstance(item, str) else ()
    except InvalidAddress as error:
        raise InvalidValue(f"must hold e-mail addresses; number {number} {error.why}") from None
    if not addresses:
        raise InvalidValue(f"must hold e-mail addresses; number {number} is not one")
    return [one.address for one in addresses]


def region_name(value: object) -> str:
    """1 to 32 of a-z, 0-9 and -, starting with a letter, for use in the name of a queue."""
    if not isinstance(value, str) or not _REGION.fullmatch(value):
        raise InvalidValue("must be 1 to 32 of a-z, 0-9 and -, starting with a letter")
    return value


def region_names(value: object) -> tuple[str, ...]:
    """At least one region name; whether the regions exist is checked later."""
    if not _is_list(value) or not 1 <= len(value) <= MAX_REGIONS:
        raise InvalidValue(
            f"must be an array of 1 to {MAX_REGIONS} names of regions, or null for all"
        )
    names = [region_name(item) for item in value]
    if len(set(names)) < len(names):
        raise InvalidValue("must not name a region twice")
    return tuple(sorted(names))


def time_zone(value: object) -> str:
    """The name of a time zone, which never leads out of the directory of zones."""
    if not isinstance(value, str) or value not in _zones():
        raise InvalidValue("must be a time zone of the IANA database, like Europe/Berlin or UTC")
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def default_name(of_url: str) -> str:
    """The default name of a website: its URL's host and path."""
    parts = urlsplit(of_url)
    return f"{parts.hostname}{parts.path.rstrip('/')}"[:255]


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
