"""The fast path from a name to an IPv4 address: one query to one DNS server, on the event loop.

Only an address counts. Everything else is left to c-ares (``resolver.py``), which costs several
times as much, because its thread and ours wake each other.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple

from monitor.probes.net import dns_wire
from monitor.probes.net.hosts_file import HostsFile

SOCKET_LIFETIME_S = 1.0
"""How long a socket sends queries. The next one has another port, which a forger of answers has to
guess again."""

GRACE_S = 1.0
"""How long a socket still receives answers after that."""

BACKOFF_S = 30.0
"""How long a server that sent nothing at all is not queried this way. c-ares knows the other
servers, and which of them respond."""

MAX_PENDING = 10_000
_MAX_PER_WAKEUP = 64
_RESERVED_SUFFIXES = (".localhost", ".onion")
"""Never sent to the DNS: RFC 6761, section 6.3; RFC 7686."""


class Received(NamedTuple):
    """What a query brought. ``joined``: it was under way already, for another caller."""

    answer: dns_wire.Answer
    joined: bool


class StubResolver:
    """Queries the first server. One per event loop; close() releases it.

    Concurrent lookups of one name share a query, and nothing is kept of its answer.
    """

    def __init__(self, servers: Callable[[], Sequence[str]], hosts: HostsFile) -> None:
        """``servers`` returns the current ones as "address:port", IPv6 addresses in brackets."""
        self._loop = asyncio.get_running_loop()
        self._servers, self._hosts = servers, hosts
        self._session: _Session | None = None
        self._open: set[_Session] = set()
        self._pending: dict[str, _Query] = {}
        self._disabled_until_s = 0.0

    async def first_address(self, host: str) -> Received | None:
        """An IPv4 address of the name, or that it has none; None where the fast path has no
        answer."""
        name = host.lower().removesuffix(".")
        query = self._pending.get(name)
        joined = query is not None
        if query is None:
            session = self._session or self._start_session()
            query = session.send(name) if session is not None else None
            if query is None:
                return None
        waiter: asyncio.Future[dns_wire.Answer | None] = self._loop.create_future()
        query.waiters.append(waiter)
        answer = await waiter
        return None if answer is None else Received(answer, joined)

    def _start_session(self) -> _Session | None:
        if self._loop.time() < self._disabled_until_s:
            return None
        try:
            sock = connect(self._servers()[0])
            session = _Session(self._loop, sock, self._hosts.names(), self._pending)
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
    """A query, and the callers that wait for its answer."""

    __slots__ = ("message", "name", "waiters")

    def __init__(self, name: str, message: bytes) -> None:
        self.name = name
        self.message = message
        self.waiters: list[asyncio.Future[dns_wire.Answer | None]] = []

    def resolve(self, answer: dns_wire.Answer | None) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(answer)


class _Session:
    """One socket and the queries sent over it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        excluded: frozenset[str],
        pending: dict[str, _Query],
    ) -> None:
        """``excluded``: names that are never queried; ``pending``: the queries of all sessions."""
        self._loop, self._socket, self._excluded = loop, sock, excluded
        self._pending = pending
        self._by_id: dict[int, _Query] = {}
        self._sent_any, self._received_any, self._suspect = False, False, False
        loop.add_reader(sock.fileno(), self._on_readable)

    def send(self, host: str) -> _Query | None:
        """A new query for this name; None where it cannot be sent."""
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
        query = self._pending[host] = self._by_id[query_id] = _Query(host, message)
        self._sent_any = True
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
            self._resolve(query, dns_wire.first_address(message, query.message))

    def _resolve(self, query: _Query, answer: dns_wire.Answer | None) -> None:
        del self._pending[query.name]
        query.resolve(answer)

    def _give_up(self) -> None:
        for query in self._by_id.values():
            self._resolve(query, None)
        self._by_id.clear()

    def close(self) -> bool:
        """Returns whether it sent queries and received nothing."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._give_up()
        return self._sent_any and not self._received_any


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
