"""E-mail addresses in settings and fields: one check for all of them. Pure.

An address is ``user@domain`` or ``Name <user@domain>`` (RFC 5322, section 3.4). The part before the
@ is a dot-atom in ASCII: one in other letters needs SMTPUTF8 (RFC 6531) of every server on its way.
A domain in other letters becomes its A-labels, which every server knows (RFC 5891).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import idna
from msgspec import Struct

_MAX_LOCAL, _MAX_DOMAIN, _MAX_ADDRESS, _MAX_NAME = 64, 253, 254, 255  # RFC 5321, section 4.5.3.1

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")  # RFC 5321, section 4.1.2
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PIECE = re.compile(rf'(?:{_QUOTED}|[^",;])+|"')
_ANGLED = re.compile(rf'((?:{_QUOTED}|[^"<>])*)<([^<>]*)>')
_QUOTED_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


class InvalidAddress(ValueError):
    """``number`` is the address's place in its list, from 1; ``why`` goes on after "it"."""

    def __init__(self, why: str, number: int = 1) -> None:
        super().__init__(f"number {number} {why}")
        self.why = why
        self.number = number


class MailAddress(Struct, frozen=True):
    """An address, ``user@domain`` in ASCII, and the name that is shown with it, if any."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def one(text: str) -> MailAddress:
    """The only address in this text. Raises InvalidAddress."""
    addresses = several(text)
    if len(addresses) != 1:
        raise InvalidAddress("is not one")
    return addresses[0]


def several(text: str) -> tuple[MailAddress, ...]:
    """The addresses in this text, separated by commas, semicolons or blanks.

    Raises InvalidAddress for the first that is none.
    """
    addresses: list[MailAddress] = []
    for name, address in _split(text):
        try:
            addresses.append(_checked(name, address))
        except InvalidAddress as error:
            raise InvalidAddress(error.why, len(addresses) + 1) from None
    return tuple(addresses)


def _split(text: str) -> Iterator[tuple[str, str]]:
    """(name as written, address) of each; what is neither comes as an address that is none."""
    for piece in _PIECE.finditer(text):
        text, begin = piece[0], 0
        while match := _ANGLED.match(text, begin):
            yield match[1].strip(), match[2].strip()
            begin = match.end()
        for word in text[begin:].split():
            yield "", word


def _checked(written_name: str, written: str) -> MailAddress:
    address, name = _address(written), _name(written_name)
    if "@" in _QUOTED_TEXT.sub("", written_name) and written_name.lower() != written.lower():
        raise InvalidAddress("has an @ in its name, which only a name in quotes may have")
    return MailAddress(address, name)


def _name(written: str) -> str:
    """The name without its quotes (RFC 5322, section 3.2.4), and with single blanks."""
    text = _QUOTED_TEXT.sub(lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), written)
    name = " ".join(text.split())
    if len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidAddress("has a name that cannot be shown")
    return name


def _address(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if not local.isascii():
        raise InvalidAddress("has letters that are not ASCII before its @")
    if len(local) > _MAX_LOCAL or not _LOCAL.fullmatch(local):
        raise InvalidAddress("is not one")
    address = f"{local}@{_domain(domain)}"
    if len(address) > _MAX_ADDRESS:
        raise InvalidAddress("is too long")
    return address


def _domain(text: str) -> str:
    """The domain in ASCII; an address literal stays as it is (RFC 5321, section 4.1.3)."""
    if len(text) > _MAX_DOMAIN:
        raise InvalidAddress("is too long")
    if text.startswith("[") and text.endswith("]"):
        return _literal(text)
    try:
        domain = text if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except UnicodeError:  # idna.IDNAError is one
        raise InvalidAddress("names no domain") from None
    if len(domain) > _MAX_DOMAIN or not _DOMAIN.fullmatch(domain):
        raise InvalidAddress("is not one" if text.isascii() else "names no domain")
    return domain


def _literal(text: str) -> str:
    inner = text[1:-1]
    ipv6 = inner[:5].lower() == "ipv6:"
    try:
        _ = IPv6Address(inner[5:]) if ipv6 else IPv4Address(inner)
    except ValueError:
        raise InvalidAddress("is not one") from None
    if "%" in inner:
        raise InvalidAddress("is not one")
    return text
