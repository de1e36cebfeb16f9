"""A DNS server on loopback, UDP and TCP, that answers from a table (RFC 1035, section 4)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Self

NXDOMAIN, SERVFAIL, REFUSED = 3, 2, 5
SILENT = -1
UDP_BYTES = 512
_HEAD = struct.Struct("!6H")
_TYPES = {1: 4, 28: 6}

Answer = list[str] | int | Callable[[bytes], bytes | None]
"""Addresses of both families, or a response code, or SILENT, or a function that makes the whole
answer, right or wrong, of the query."""


class DnsServer:
    """Answers A and AAAA queries from ``table``, which may change; about all other names it says
    ``otherwise``.

    ``queries`` are the (name, type) pairs asked, in order; ``asked``
    is set by the first. ``address`` is "host:port". ``late_s`` holds how long the answers about a
    name take over UDP.
    """

    def __init__(self, table: Mapping[str, Answer], otherwise: Answer = NXDOMAIN) -> None:
        self.table = dict(table)
        self.otherwise = otherwise
        self.queries: list[tuple[str, int]] = []
        self.asked = asyncio.Event()
        self.late_s: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._tcp.sockets[0].getsockname()[1]
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", port))
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), sock=sock)
        self.address = f"127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()

    def answer(self, query: bytes) -> bytes | None:
        """The whole answer to a query, or None for silence."""
        end = query.index(b"\0", _HEAD.size) + 1
        (kind,) = struct.unpack("!H", query[end : end + 2])
        name = _name(query[_HEAD.size : end])
        self.queries.append((name, kind))
        self.asked.set()
        found = self.table.get(name, self.otherwise)
        if callable(found):
            return found(query)
        if found == SILENT:
            return None
        code = found if isinstance(found, int) else 0
        addresses = [] if isinstance(found, int) else [ip_address(a) for a in found]
        fitting = [a.packed for a in addresses if a.version == _TYPES.get(kind)]
        records = b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, 3600, len(a)) + a for a in fitting
        )
        (number,) = struct.unpack("!H", query[:2])
        head = _HEAD.pack(number, 0x8180 | code, 1, len(fitting), 0, 0)
        return head + query[_HEAD.size : end + 4] + records

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(size))
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data)
        if answer is None:
            return
        if len(answer) > UDP_BYTES:
            number, flags, *_ = _HEAD.unpack(answer[: _HEAD.size])
            end = data.index(b"\0", _HEAD.size) + 5
            answer = _HEAD.pack(number, flags | 0x200, 1, 0, 0, 0) + data[_HEAD.size : end]
        late_s = self._server.late_s.get(_name(data[_HEAD.size :]), 0.0)
        asyncio.get_running_loop().call_later(late_s, self._send, answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(answer, addr)


def _name(encoded: bytes) -> str:
    labels, at = [], 0
    while encoded[at]:
        labels.append(encoded[at + 1 : at + 1 + encoded[at]].decode())
        at += encoded[at] + 1
    return ".".join(labels).lower()
