"""Whether a DNS server answers at all, for people who look for what is wrong."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Sequence
from enum import Enum

from monitor.probes.net import dns_wire
from monitor.probes.net.resolver import Resolver
from monitor.probes.net.stub_resolver import connect

_NAME = "example.com"
"""Reserved (RFC 2606), and known to every server that knows the root."""
_TRIES, _TRY_S = 2, 1.5
_HEAD = struct.Struct("!2H")
_CODE = 0x000F
_SERVFAIL, _REFUSED = 2, 5


class Answer(Enum):
    """What a server does when it is asked; the values go on after its address."""

    ANSWERS = "answers"
    SILENT = "does not answer"
    SERVFAIL = "cannot resolve names (SERVFAIL)"
    REFUSED = "refuses to answer us (REFUSED)"


async def servers_of(configured: Sequence[str]) -> list[str]:
    """These servers, or the system's, as "address:port"."""
    resolver = Resolver(configured)
    try:
        return resolver.current_servers()
    finally:
        await resolver.close()


async def ask(server: str) -> Answer:
    """Ask one server ("address:port") for an address over UDP, twice at most."""
    try:
        sock = connect(server)
    except (OSError, ValueError):
        return Answer.SILENT
    with sock:
        for _ in range(_TRIES):
            try:
                async with asyncio.timeout(_TRY_S):
                    return await _exchange(sock)
            except (TimeoutError, OSError):
                continue
    return Answer.SILENT


async def _exchange(sock: socket.socket) -> Answer:
    loop, query_id = asyncio.get_running_loop(), int.from_bytes(os.urandom(2), "big")
    query = dns_wire.encode_query(_NAME, query_id)
    assert query is not None
    await loop.sock_sendall(sock, query)
    while True:
        message = await loop.sock_recv(sock, dns_wire.MAX_ANSWER_BYTES)
        if len(message) >= _HEAD.size and message[:2] == query[:2]:
            return _judge(_HEAD.unpack_from(message)[1] & _CODE)


def _judge(code: int) -> Answer:
    return {_SERVFAIL: Answer.SERVFAIL, _REFUSED: Answer.REFUSED}.get(code, Answer.ANSWERS)
