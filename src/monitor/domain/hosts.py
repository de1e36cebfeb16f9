"""How the host of a URL may be written. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from unicodedata import normalize

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


def is_odd_address(host: str) -> bool:
    """Whether some programs read this as an IPv4 address and others as another one, or none.

    True where the last label is a number, decimal, octal or hexadecimal, and the whole is not
    four decimal numbers: 127.1, 0x7f000001, 0177.0.0.1, 127.0.0.1. with a dot at its end (RFC
    6943, section 3.1.1; WHATWG URL standard, "ends in a number"). No name in the DNS ends so.
    """
    last = host.removesuffix(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None and not _is_usual(host)


def plain(host: str) -> str:
    """The host in the characters that it is looked up with: full-width and other compatible forms
    of letters, digits and dots become the usual ones (RFC 5895, section 2)."""
    return host if host.isascii() else normalize("NFKC", host).replace("\u3002", ".")


def _is_usual(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True
