"""Forms of hosts in URLs. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from unicodedata import normalize

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


def is_odd_address(host: str) -> bool:
    """Whether programs disagree on which IPv4 address this is, or whether it is one.

    True where the last label is a number, decimal, octal or hexadecimal, and the whole is not
    four decimal numbers: 127.1, 0x7f000001, 0177.0.0.1, 127.0.0.1. with a dot at its end (RFC
    6943, section 3.1.1; WHATWG URL standard, "ends in a number"). No DNS name ends like that.
    """
    last = host.removesuffix(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None and not _is_canonical(host)


def plain(host: str) -> str:
    """The host as it is looked up: full-width and other compatibility forms of letters, digits and
    dots become the ordinary ones (RFC 5895, section 2)."""
    return host if host.isascii() else normalize("NFKC", host).replace("\u3002", ".")


def _is_canonical(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True
