"""A DNS query and its answer on the wire (RFC 1035, section 4): an IPv4 address or none. Pure.

Answers are untrusted input.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import Final, NamedTuple

MAX_ANSWER_BYTES = 4096
_MAX_RECORDS = 64

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, length of what follows
_QUESTION_END = b"\0\0\1\0\1"  # the root, type A, class IN
_A, _CNAME, _IN = 1, 5, 1
_RECURSION_DESIRED = 0x0100
_FLAGS_CHECKED, _FLAGS_GOOD = 0xFA0F, 0x8000
"""A response to a standard query, not truncated, without an error."""
_NXDOMAIN = 3
_MAX_TTL_S = 2**31 - 1

_POINTER, _MAX_LABEL, _MAX_NAME = 0xC0, 63, 255
_PLAIN = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)+[A-Za-z0-9_-]{1,63}")
_MAX_TEXT = 253


class Answer(NamedTuple):
    """An address, and how long it may be kept; ``""``: the name has no IPv4 address."""

    address: str
    ttl_s: int


NO_ADDRESS: Final = Answer("", 0)


def encode_query(host: str, query_id: int) -> bytes | None:
    """A query for the IPv4 addresses of a complete name without its trailing dot.

    None where the name has an unusual form or only one label.
    """
    if len(host) > _MAX_TEXT or _PLAIN.fullmatch(host) is None:
        return None
    labels = host.encode("ascii").split(b".")
    name = b"".join(bytes((len(label),)) + label for label in labels)
    return _HEADER.pack(query_id, _RECURSION_DESIRED, 1, 0, 0, 0) + name + _QUESTION_END


def first_address(message: bytes, query: bytes) -> Answer | None:
    """The first address in the answer to this query, following CNAMEs in the order they come.

    ``NO_ADDRESS`` where there is no such name or it has no IPv4 address. None where the answer is
    truncated, another error or malformed, or where its id or question differs from the query's
    (RFC 5452, section 9.1).
    """
    if message[:2] != query[:2] or message[_HEADER.size : len(query)] != query[_HEADER.size :]:
        return None
    flags, questions, *records = _HEADER.unpack_from(message)[1:]
    code = flags & _FLAGS_CHECKED ^ _FLAGS_GOOD
    if code not in (0, _NXDOMAIN) or questions != 1 or sum(records) > _MAX_RECORDS:
        return None
    try:
        answer = _first_address(message, query, answers=records[0], records=sum(records))
    except (IndexError, struct.error, ValueError):
        return None
    return NO_ADDRESS if code else answer


def _first_address(message: bytes, query: bytes, *, answers: int, records: int) -> Answer:
    name, address = query[_HEADER.size : -len(_QUESTION_END)].lower(), ""
    at, ttl_s = len(query), _MAX_TTL_S
    for number in range(records):
        owner, at = _name(message, at)
        kind, of_class, of_record_s, length = _RECORD.unpack_from(message, at)
        data, at = at + _RECORD.size, at + _RECORD.size + length
        if at > len(message):
            raise ValueError("a record that is longer than the message")
        if owner != name or of_class != _IN or address or number >= answers:
            continue
        if kind == _A:
            address = _dotted(message[data:at])
        elif kind == _CNAME:
            name, _ = _name(message, data)
        else:
            continue
        ttl_s = min(ttl_s, of_record_s if of_record_s <= _MAX_TTL_S else 0)  # RFC 2181, section 8
    return Answer(address, ttl_s) if address else NO_ADDRESS


def _dotted(address: bytes) -> str:
    if len(address) != 4:
        raise ValueError("not an IPv4 address")
    return socket.inet_ntoa(address)


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """A name in lower case, each label with its length (at most 63, so never a letter), and the
    offset behind it. Each pointer must lead further back than the last, so that parsing ends."""
    labels, size, end, lowest = [], 0, -1, at
    while length := message[at]:
        if length >= _POINTER:
            target = (length - _POINTER) << 8 | message[at + 1]
            end = at + 2 if end < 0 else end
            if target >= lowest:
                raise ValueError("a pointer that does not point back")
            at = lowest = target
            continue
        size += length + 1
        if length > _MAX_LABEL or size >= _MAX_NAME:
            raise ValueError("a label or name that is too long")
        labels.append(message[at : at + length + 1])
        at += length + 1
    return b"".join(labels).lower(), at + 1 if end < 0 else end
