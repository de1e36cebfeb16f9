"""How a check gets its connection: resolve, connect, handshake, each timed and bounded."""

from __future__ import annotations

import asyncio
import socket
import ssl
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from monitor.domain.hosts import is_odd_address
from monitor.domain.outcome import Reason
from monitor.probes.net import reasons, tls
from monitor.probes.net.address_policy import AddressPolicy, is_address
from monitor.probes.net.phases import Phase, Progress
from monitor.probes.net.reasons import CheckFailed, Finding, down
from monitor.probes.net.resolver import Resolver


class ProbeProtocol(asyncio.Protocol):
    """What a connector connects: any asyncio protocol that can be given up at once."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Abort the connection, if there is one yet."""


T = TypeVar("T")
P = TypeVar("P", bound=ProbeProtocol)
Connect = Callable[[str, int], Awaitable[T]]

SOON_S = 2.0
"""In which nearly every connection is there, one lost packet and its repetition after 1 s (RFC
6298, section 2) included; or a quarter of the time left, where that is less."""


class Connector:
    """Makes a fresh connection for each request, to an address that the policy allows.

    Books each phase on the check's progress. Raises CheckFailed.
    """

    def __init__(self, resolver: Resolver, policy: AddressPolicy) -> None:
        self._loop = asyncio.get_running_loop()
        self._resolver = resolver
        self._policy = policy

    async def connect(
        self, port: int, context: ssl.SSLContext | None, make: Callable[[], P], progress: Progress
    ) -> P:
        """A protocol that is connected to ``progress.host``, over TLS where there is a context."""
        if context is None:
            # One step, in the loop's own code: a socket made here would cost as much again.
            connect: Connect[tuple[object, P]] = partial(self._loop.create_connection, make)
            _, protocol = await self._connected(port, progress, connect)
            return protocol
        sock = await self._connected(port, progress, self._socket)
        return await self._handshake(sock, context, make, progress)

    async def _connected(self, port: int, progress: Progress, connect: Connect[T]) -> T:
        """A connection to the host, whether that is an address or a name."""
        host = progress.host
        if is_address(host):
            return await self._first_of(self._allowed([host]), port, progress, connect)
        if is_odd_address(host):
            # c-ares would read 0177.0.0.1 as 177.0.0.1, and libc as 127.0.0.1.
            raise _blocked(f"{host} is an IP address in a form that programs read differently")
        return await self._connected_to_name(port, progress, connect)

    async def _connected_to_name(self, port: int, progress: Progress, connect: Connect[T]) -> T:
        """A connection to the first of a name's addresses wherever that accepts one soon; all the
        others are looked up only where it does not."""
        progress.enter(Phase.DNS)
        first = await self._resolver.lookup_first(progress.host)
        failure: Finding | None = None
        if first is not None and not self._policy.refuses(first):
            try:
                return await self._soon(first, port, progress, connect)
            except TimeoutError:
                first = None  # tried again, with its share of the time
            except OSError as error:
                failure = reasons.of_os_error(error, Phase.CONNECT, progress.peer)
        progress.enter(Phase.DNS)
        addresses = self._allowed(await self._resolver.lookup(progress.host))
        others = [a for a in addresses if a != first] if failure is not None else addresses
        return await self._first_of(others, port, progress, connect, failure)

    def _allowed(self, found: list[str]) -> list[str]:
        """The addresses to try, in order; those the policy refuses are left out."""
        allowed = [address for address in found if not self._policy.refuses(address)]
        if not allowed:
            raise _blocked(f"{found[0]} is not a public address")
        return allowed

    async def _soon(self, address: str, port: int, progress: Progress, connect: Connect[T]) -> T:
        """A connection to one address. Raises TimeoutError where that is not there soon."""
        progress.enter(Phase.CONNECT)
        progress.peer = f"{address} port {port}"
        left_s = max(progress.deadline_s - self._loop.time(), 0.0)
        async with asyncio.timeout(min(SOON_S, left_s / 4)):
            return await connect(address, port)

    async def _first_of(
        self,
        addresses: list[str],
        port: int,
        progress: Progress,
        connect: Connect[T],
        failure: Finding | None = None,
    ) -> T:
        """A connection to the first address that accepts one.

        Each but the last gets its share of the time left, so that a dead one leaves some
        for the next. ``failure``: that of an address that was tried before.
        """
        progress.enter(Phase.CONNECT)
        for tried, address in enumerate(addresses):
            progress.peer = f"{address} port {port}"
            left = len(addresses) - tried
            try:
                if left == 1:
                    return await connect(address, port)
                share_s = max(progress.deadline_s - self._loop.time(), 0.0) / left
                async with asyncio.timeout(share_s):
                    return await connect(address, port)
            except OSError as error:
                found = reasons.of_os_error(error, Phase.CONNECT, progress.peer)
                failure = reasons.more_telling(failure, found)
        assert failure is not None
        raise CheckFailed(failure)

    async def _socket(self, address: str, port: int) -> socket.socket:
        """A connected socket, for TLS: the handshake is timed apart."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)  # SOCK_NONBLOCK would save a call, and is not known to macOS
        try:
            await self._loop.sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _handshake(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        make: Callable[[], P],
        progress: Progress,
    ) -> P:
        progress.enter(Phase.TLS)
        protocol = make()
        try:
            await self._loop.create_connection(
                lambda: protocol,
                sock=sock,
                ssl=context,
                server_hostname=progress.host.rstrip("."),
                ssl_handshake_timeout=tls.HANDSHAKE_LIMIT_S,
            )
        except OSError as error:
            protocol.close()
            raise CheckFailed(reasons.of_tls_error(error, progress)) from error
        except asyncio.CancelledError:
            # Should the handshake have ended in the same tick, the loop would say goodbye
            # to a peer that need not answer, for half a minute.
            protocol.close()
            raise
        return protocol


def _blocked(why: str) -> CheckFailed:
    text = f"{why}, and checks may not connect to it"
    return CheckFailed(down(Reason.BLOCKED_TARGET, text))
