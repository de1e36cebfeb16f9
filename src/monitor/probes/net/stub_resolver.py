"""The quick way from a name to an IPv4 address: one question to one DNS server, on the event loop.

It believes good news alone. Whatever else comes, or does not come, is c-ares' to find out
(``resolver.py``), which costs several times as much: its thread and ours wake each other.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence

from monitor.probes.net import dns_wire
from monitor.probes.net.hosts_file import HostsFile

ASKS_S = 1.0
"""How long a socket is asked over, and an answer kept: as long as c-ares keeps one here. Then comes
another, with a port of its own, which whoever would forge an answer has to guess again."""

WAITS_S = 1.0
"""How long it is listened to after that."""

OFF_S = 30.0
"""A server from which nothing at all was heard is not asked this way for so long: c-ares knows of
others, and which of them answer."""

MAX_WAITING = 10_000
_A_TURN = 64
_NO_BUSINESS_OF_THE_DNS = (".localhost", ".onion")
"""RFC 6761, section 6.3; RFC 7686."""


class StubResolver:
    """Asks the first of the servers. One per event loop; close() gives it back."""

    def __init__(self, servers: Callable[[], Sequence[str]], hosts: HostsFile) -> None:
        """``servers`` tells those of now as "address:port", an IPv6 address in brackets."""
        self._loop = asyncio.get_running_loop()
        self._servers, self._hosts = servers, hosts
        self._round: _Round | None = None
        self._open: set[_Round] = set()
        self._off_until_s = 0.0

    async def first_address(self, host: str) -> str | None:
        """An IPv4 address of the name; None where that is not so quickly told."""
        current = self._round or self._opened()
        if current is None:
            return None
        return await current.first_address(host.lower().removesuffix("."))

    def _opened(self) -> _Round | None:
        if self._loop.time() < self._off_until_s:
            return None
        try:
            opened = _Round(self._loop, _connected(self._servers()[0]), self._hosts.names())
        except (OSError, ValueError, IndexError):
            self._off_until_s = self._loop.time() + ASKS_S
            return None
        self._round = opened
        self._open.add(opened)
        self._loop.call_later(ASKS_S, self._retire)
        self._loop.call_later(ASKS_S + WAITS_S, self._end, opened)
        return opened

    def _retire(self) -> None:
        self._round = None

    def _end(self, ended: _Round) -> None:
        if ended in self._open:
            self._open.remove(ended)
            if ended.close():
                self._off_until_s = self._loop.time() + OFF_S

    def close(self) -> None:
        """Stop; who waits is told of no address."""
        self._off_until_s, self._round = float("inf"), None
        while self._open:
            self._open.pop().close()


class _Question:
    """A query under way or answered, and those who wait for it."""

    __slots__ = ("address", "answered", "query", "waiting")

    def __init__(self, query: bytes) -> None:
        self.query = query
        self.waiting: list[asyncio.Future[str | None]] = []
        self.address: str | None = None
        self.answered = False

    def settle(self, address: str | None) -> None:
        self.address, self.answered = address, True
        for waiting in self.waiting:
            if not waiting.done():
                waiting.set_result(address)


class _Round:
    """One socket and what is asked over it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, others: frozenset[str]
    ) -> None:
        """``others``: names that are not to be asked for."""
        self._loop, self._socket, self._others = loop, sock, others
        self._by_name: dict[str, _Question] = {}
        self._by_number: dict[int, _Question] = {}
        self._heard, self._spoilt = False, False
        loop.add_reader(sock.fileno(), self._readable)

    async def first_address(self, host: str) -> str | None:
        asked = self._by_name.get(host)
        if asked is None:
            asked = self._ask(host)
            if asked is None:
                return None
        if asked.answered:
            return asked.address
        waiting: asyncio.Future[str | None] = self._loop.create_future()
        asked.waiting.append(waiting)
        return await waiting

    def _ask(self, host: str) -> _Question | None:
        full = self._spoilt or len(self._by_number) >= MAX_WAITING
        if full or host in self._others or host.endswith(_NO_BUSINESS_OF_THE_DNS):
            return None
        number = self._unused_number()
        query = dns_wire.question(host, number)
        if query is None:
            return None
        try:
            self._socket.send(query)
        except BlockingIOError:
            return None
        except OSError:  # nobody listens there; told once, to whoever touches the socket first
            self._give_up()
            return None
        asked = self._by_name[host] = self._by_number[number] = _Question(query)
        return asked

    def _unused_number(self) -> int:
        while True:
            number = int.from_bytes(os.urandom(2), "big")
            if number not in self._by_number:
                return number

    def _readable(self) -> None:
        """Take some of what has come; the loop comes back for the rest."""
        for _ in range(_A_TURN):
            try:
                message = self._socket.recv(dns_wire.MAX_ANSWER_BYTES)
            except BlockingIOError:
                return
            except OSError:  # nobody listens there
                self._give_up()
                return
            self._take(message)

    def _take(self, message: bytes) -> None:
        """What answers no question of ours is for c-ares to make something of: it may have been
        meant for any that waits. This socket is asked nothing more then."""
        self._heard = True
        asked = self._by_number.pop(int.from_bytes(message[:2], "big"), None)
        if asked is None:
            self._spoilt = True
            self._give_up()
        else:
            asked.settle(dns_wire.first_address(message, asked.query))

    def _give_up(self) -> None:
        for asked in self._by_number.values():
            asked.settle(None)
        self._by_number.clear()

    def close(self) -> bool:
        """Returns whether it asked and heard nothing."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._give_up()
        return bool(self._by_name) and not self._heard


def _connected(server: str) -> socket.socket:
    """A UDP socket that hears this server alone. Raises OSError, ValueError."""
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
