"""A DNS server for the names of the bench, as a program (RFC 1035, section 4; UDP alone).

    python bench/dns_server.py DESCRIPTOR TABLE

It answers on a socket that it inherits, from a table in JSON. ``site-7.a9.bench.test`` has the
eighth address, whatever stands between; a family of names may have an address of its own, or none.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("!6H")
_KIND = struct.Struct("!HH")
_RECORD = struct.Struct("!HHHIH4s")
_POINTER = 0xC00C  # to the question's name
_A, _IN = 1, 1
_GOOD, _NXDOMAIN, _REFUSED = 0, 3, 5
_RESPONSE = 0x8580  # authoritative, recursion wanted and offered
_TTL_S = 60
_MAX_QUERY = 512


@dataclass(frozen=True)
class Table:
    """``elsewhere``: by family. Addresses are packed."""

    zone: str
    addresses: tuple[bytes, ...]
    elsewhere: Mapping[str, bytes | None]

    @classmethod
    def read(cls, text: str) -> Table:
        found = json.loads(text)
        return cls(
            zone=found["zone"],
            addresses=tuple(map(socket.inet_aton, found["addresses"])),
            elsewhere={
                family: address and socket.inet_aton(address)
                for family, address in found["elsewhere"].items()
            },
        )

    def address(self, name: str) -> bytes | None:
        """Of a name in lower case; None: there is no such name."""
        found = re.fullmatch(rf"site-(\d{{1,9}})\.([a-z0-9-]+)\.{re.escape(self.zone)}", name)
        if found is None:
            return None
        if found[2] in self.elsewhere:
            return self.elsewhere[found[2]]
        return self.addresses[int(found[1]) % len(self.addresses)]


def response(query: bytes, table: Table) -> bytes | None:
    """The whole answer to a query of one question; None for what is none."""
    try:
        query_id, _, questions, *_ = _HEAD.unpack_from(query)
        name, end = _name(query)
        kind, of_class = _KIND.unpack_from(query, end)
    except (IndexError, UnicodeDecodeError, struct.error):
        return None
    question = query[_HEAD.size : end + _KIND.size]
    if questions != 1 or of_class != _IN:
        return _HEAD.pack(query_id, _RESPONSE | _REFUSED, 1, 0, 0, 0) + question
    address = table.address(name)
    if address is None:
        return _HEAD.pack(query_id, _RESPONSE | _NXDOMAIN, 1, 0, 0, 0) + question
    if kind != _A:  # the name is there, and has nothing of that kind
        return _HEAD.pack(query_id, _RESPONSE | _GOOD, 1, 0, 0, 0) + question
    record = _RECORD.pack(_POINTER, _A, _IN, _TTL_S, len(address), address)
    return _HEAD.pack(query_id, _RESPONSE | _GOOD, 1, 1, 0, 0) + question + record


def _name(query: bytes) -> tuple[str, int]:
    """The question's name in lower case, and where it ends."""
    labels, at = [], _HEAD.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length])
        at += 1 + length
    return b".".join(labels).decode("ascii").lower(), at + 1


def serve(descriptor: int, table: Table) -> None:
    """Answer for ever."""
    with socket.socket(fileno=descriptor) as listening:
        while True:
            query, asker = listening.recvfrom(_MAX_QUERY)
            if (answer := response(query, table)) is not None:
                listening.sendto(answer, asker)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Table.read(Path(sys.argv[2]).read_text(encoding="utf-8")))
