"""The fast path from a name to an IPv4 address: one query to one DNS server, on the event loop.

Only a positive answer counts. Everything else is left to c-ares (``resolver.py``), which costs
several times as much, because its thread and ours wake each other.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence

from monitor.probes.net import dns_wire
from monitor.probes.net.hosts_file import HostsFile

SOCKET_LIFETIME_S = 1.0
"""How long a socket sends queries and its answers are cached: as long as c-ares caches them here.
The next socket has another port, which a forger of answers has to guess again."""

GRACE_S = 1.0
"""How long a socket still receives answers after that."""

BACKOFF_S = 30.0
"""How long a server that sent nothing at all is not queried this way. c-ares knows the other
servers, and which of them respond."""

MAX_PENDING = 10_000
_MAX_PER_WAKEUP = 64
_RESERVED_SUFFIXES = (".localhost", ".onion")
"""Never sent to the DNS: RFC 6761, section 6.3; RFC 7686."""


class StubResolver:
    """Queries the first server. One per event loop; close() releases it."""

    def __init__(self, servers: Callable[[], Sequence[str]], hosts: HostsFile) -> None:
        """``servers`` returns the current ones as "address:port", IPv6 addresses in brackets."""
        self._loop = asyncio.get_running_loop()
        self._servers, self._hosts = servers, hosts
        self._session: _Session | None = None
        self._open: set[_Session] = set()
        self._disabled_until_s = 0.0

    async def first_address(self, host: str) -> str | None:
        """An IPv4 address of the name; None where the fast path has no answer."""
        session = self._session or self._start_session()
        if session is None:
            return None
        return await session.first_address(host.lower().removesuffix("."))

    def _start_session(self) -> _Session | None:
        if self._loop.time() < self._disabled_until_s:
            return None
        try:
            session = _Session(self._loop, connect(self._servers()[0]), self._hosts.names())
        except (OSError, ValueError, IndexError):
            self._disabled_until_s = self._loop.time() + SOCKET_LIFETIME_S
            return None
        self._session = session
        self._open.add(session)
        self._loop.call_later(SOCKET_LIFETIME_S, self._retire)
        self._loop.call_later(SOCKET_LIFETIME_S + GRACE_S, self._end, session)
        return session

    def _retire(self) -> None:
        self._session = None

    def _end(self, session: _Session) -> None:
        if session in self._open:
            self._open.remove(session)
            if session.close():
                self._disabled_until_s = self._loop.time() + BACKOFF_S

    def close(self) -> None:
        """Stop; pending lookups return None."""
        self._disabled_until_s, self._session = float("inf"), None
        while self._open:
            self._open.pop().close()


class _Query:
    """A query, its answer once there is one, and the callers that wait for it."""

    __slots__ = ("address", "done", "message", "waiters")

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.waiters: list[asyncio.Future[str | None]] = []
        self.address: str | None = None
        self.done = False

    def resolve(self, address: str | None) -> None:
        self.address, self.done = address, True
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(address)


class _Session:
    """One socket and the queries sent over it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, excluded: frozenset[str]
    ) -> None:
        """``excluded``: names that are never queried."""
        self._loop, self._socket, self._excluded = loop, sock, excluded
        self._by_name: dict[str, _Query] = {}
        self._by_id: dict[int, _Query] = {}
        self._received_any, self._suspect = False, False
        loop.add_reader(sock.fileno(), self._on_readable)

    async def first_address(self, host: str) -> str | None:
        query = self._by_name.get(host)
        if query is None:
            query = self._send(host)
            if query is None:
                return None
        if query.done:
            return query.address
        waiter: asyncio.Future[str | None] = self._loop.create_future()
        query.waiters.append(waiter)
        return await waiter

    def _send(self, host: str) -> _Query | None:
        closed = self._suspect or len(self._by_id) >= MAX_PENDING
        if closed or host in self._excluded or host.endswith(_RESERVED_SUFFIXES):
            return None
        query_id = self._unused_id()
        message = dns_wire.encode_query(host, query_id)
        if message is None:
            return None
        try:
            self._socket.send(message)
        except BlockingIOError:
            return None
        except OSError:  # nothing listens there; reported once, to the first call on the socket
            self._give_up()
            return None
        query = self._by_name[host] = self._by_id[query_id] = _Query(message)
        return query

    def _unused_id(self) -> int:
        while True:
            query_id = int.from_bytes(os.urandom(2), "big")
            if query_id not in self._by_id:
                return query_id

    def _on_readable(self) -> None:
        """Read up to ``_MAX_PER_WAKEUP`` answers; the loop calls again for the rest."""
        for _ in range(_MAX_PER_WAKEUP):
            try:
                message = self._socket.recv(dns_wire.MAX_ANSWER_BYTES)
            except BlockingIOError:
                return
            except OSError:  # nothing listens there
                self._give_up()
                return
            self._handle(message)

    def _handle(self, message: bytes) -> None:
        """An answer that matches no query may have been forged for any of the pending ones: leave
        all of them to c-ares and send nothing more over this socket."""
        self._received_any = True
        query = self._by_id.pop(int.from_bytes(message[:2], "big"), None)
        if query is None:
            self._suspect = True
            self._give_up()
        else:
            query.resolve(dns_wire.first_address(message, query.message))

    def _give_up(self) -> None:
        for query in self._by_id.values():
            query.resolve(None)
        self._by_id.clear()

    def close(self) -> bool:
        """Returns whether it sent queries and received nothing."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._give_up()
        return bool(self._by_name) and not self._received_any


def connect(server: str) -> socket.socket:
    """A UDP socket that receives from this server only, "address:port".

    Raises OSError, ValueError.
    """
    address, _, port = server.rpartition(":")
    family = socket.AF_INET6 if address.startswith("[") else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect((address.strip("[]"), int(port)))
    except BaseException:
        sock.close()
        raise
    return sock
