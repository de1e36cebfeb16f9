"""One question of the DNS and its answer on the wire (RFC 1035, section 4): an IPv4 address, or
nothing that could be told from it. Pure; answers are read as if strangers had written them.
"""

from __future__ import annotations

import re
import socket
import struct

MAX_ANSWER_BYTES = 4096
_MAX_RECORDS = 64

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, length of what follows
_QUESTION_END = b"\0\0\1\0\1"  # the root, type A, class IN
_A, _CNAME, _IN = 1, 5, 1
_RECURSION_DESIRED = 0x0100
_CHECKED, _GOOD = 0xFA0F, 0x8000
"""Of the flags: a response, to a plain query, whole, and without an error."""

_POINTER, _MAX_LABEL, _MAX_NAME = 0xC0, 63, 255
_PLAIN = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)+[A-Za-z0-9_-]{1,63}")
_MAX_TEXT = 253


def question(host: str, number: int) -> bytes | None:
    """A query for the IPv4 addresses of a complete name, given without the dot at its end.

    None where the name is of an unusual form, or has one label only.
    """
    if len(host) > _MAX_TEXT or _PLAIN.fullmatch(host) is None:
        return None
    labels = host.encode("ascii").split(b".")
    name = b"".join(bytes((len(label),)) + label for label in labels)
    return _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + name + _QUESTION_END


def first_address(message: bytes, asked: bytes) -> str | None:
    """The first address that an answer to this query gives, aliases followed in their order.

    None where it is cut off, tells of an error, has no address or cannot be read to its end, or
    where its number or question is another (RFC 5452, section 9.1).
    """
    if message[:2] != asked[:2] or message[_HEADER.size : len(asked)] != asked[_HEADER.size :]:
        return None
    flags, questions, *records = _HEADER.unpack_from(message)[1:]
    if flags & _CHECKED != _GOOD or questions != 1 or sum(records) > _MAX_RECORDS:
        return None
    try:
        return _first_of(message, asked, answers=records[0], records=sum(records))
    except (IndexError, struct.error, ValueError):
        return None


def _first_of(message: bytes, asked: bytes, *, answers: int, records: int) -> str | None:
    wanted, found = asked[_HEADER.size : -len(_QUESTION_END)].lower(), None
    at = len(asked)
    for number in range(records):
        owner, at = _name(message, at)
        kind, of_class, _, length = _RECORD.unpack_from(message, at)
        data, at = at + _RECORD.size, at + _RECORD.size + length
        if at > len(message):
            raise ValueError("a record that is longer than what there is")
        if owner != wanted or of_class != _IN or found is not None or number >= answers:
            continue
        if kind == _A:
            found = _dotted(message[data:at])
        elif kind == _CNAME:
            wanted, _ = _name(message, data)
    return found


def _dotted(address: bytes) -> str:
    if len(address) != 4:
        raise ValueError("no IPv4 address")
    return socket.inet_ntoa(address)


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """A name in lower case, its labels with their lengths (at most 63, so no letter), and where it
    ends. Pointers lead back, each further than the one before: so every name has an end."""
    labels, size, end, lowest = [], 0, -1, at
    while length := message[at]:
        if length >= _POINTER:
            target = (length - _POINTER) << 8 | message[at + 1]
            end = at + 2 if end < 0 else end
            if target >= lowest:
                raise ValueError("a pointer that does not lead back")
            at = lowest = target
            continue
        size += length + 1
        if length > _MAX_LABEL or size >= _MAX_NAME:
            raise ValueError("a label or name that is too long")
        labels.append(message[at : at + length + 1])
        at += length + 1
    return b"".join(labels).lower(), at + 1 if end < 0 else end
