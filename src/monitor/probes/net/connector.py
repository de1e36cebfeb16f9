"""Connections of checks: resolve, connect, handshake, each timed and bounded."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from monitor.domain.hosts import is_odd_address
from monitor.domain.outcome import Reason
from monitor.probes.net import reasons
from monitor.probes.net.address_policy import AddressPolicy, is_address
from monitor.probes.net.deadlines import Deadlines
from monitor.probes.net.handshake import Handshake
from monitor.probes.net.phases import Phase, Progress
from monitor.probes.net.reasons import CheckFailed, Finding, down
from monitor.probes.net.resolver import Resolver
from monitor.probes.net.tls_transport import TlsTransport


class ProbeProtocol(asyncio.Protocol):
    """An asyncio protocol whose connection can be aborted at once."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Abort the connection, if there is one yet."""


T = TypeVar("T", bound=asyncio.Protocol)
P = TypeVar("P", bound=ProbeProtocol)
Connect = Callable[[str, int], Awaitable[tuple[object, T]]]

FIRST_ATTEMPT_S = 2.0
"""The limit of the first attempt, or a quarter of the time left where that is less. Nearly every
connection succeeds within it, even with one lost packet, repeated after 1 s (RFC 6298, section
2)."""


class Connector:
    """Opens a new connection for each request, to an address that the policy allows.

    Records each phase on the check's progress. Raises CheckFailed.
    """

    def __init__(self, resolver: Resolver, policy: AddressPolicy, deadlines: Deadlines) -> None:
        self._loop = asyncio.get_running_loop()
        self._resolver = resolver
        self._policy = policy
        self._deadlines = deadlines

    async def connect(
        self, port: int, handshake: Handshake | None, make: Callable[[], P], progress: Progress
    ) -> P:
        """A protocol connected to ``progress.host``, over TLS where there is a handshake."""
        if handshake is None:
            # One call into the loop: making a socket here would cost as much again.
            connect: Connect[P] = partial(self._loop.create_connection, make)
            _, protocol = await self._connected(port, progress, connect)
            return protocol
        protocol = make()
        try:
            await self._secure(port, handshake, protocol, progress)
        except BaseException:
            protocol.close()
            raise
        return protocol

    async def _secure(
        self, port: int, handshake: Handshake, protocol: ProbeProtocol, progress: Progress
    ) -> None:
        """Connect the protocol over TLS: with a second connection where the first handshake turns
        out not to be the one to make. Nothing was sent on the first but that handshake."""
        make = partial(TlsTransport, self._loop, handshake, protocol, progress)
        connect: Connect[TlsTransport] = partial(self._loop.create_connection, make)
        _, tls = await self._connected(port, progress, connect)
        try:
            await tls.established()
        except OSError as error:
            instead = handshake.instead(error)
            if instead is None:
                raise CheckFailed(reasons.of_tls_error(error, progress)) from error
            self._discard(progress)
            progress.handshakes[-1] = instead
            await self._secure_again(port, instead, protocol, progress)

    async def _secure_again(
        self, port: int, handshake: Handshake, protocol: ProbeProtocol, progress: Progress
    ) -> None:
        """Connect the protocol to the same address once more, if the policy still allows it."""
        (address,) = self._allowed([progress.address])
        progress.connecting(address, port)
        make = partial(TlsTransport, self._loop, handshake, protocol, progress)
        try:
            _, tls = await self._loop.create_connection(make, address, port)
        except OSError as error:
            finding = reasons.of_os_error(error, Phase.CONNECT, progress.peer)
            raise CheckFailed(finding) from error
        try:
            await tls.established()
        except OSError as error:
            handshake.instead(error)
            raise CheckFailed(reasons.of_tls_error(error, progress)) from error

    def _discard(self, progress: Progress) -> None:
        """Make as if there had been no attempt, for the phases and for the deadline."""
        progress.discard_attempt()
        task = asyncio.current_task(self._loop)
        if progress.group is not None and task is not None:
            progress.group = self._deadlines.move(progress.group, progress.deadline_s, task)

    async def _connected(
        self, port: int, progress: Progress, connect: Connect[T]
    ) -> tuple[object, T]:
        """A connection to the host, which is an address or a name."""
        host = progress.host
        if is_address(host):
            return await self._first_of(self._allowed([host]), port, progress, connect)
        if is_odd_address(host):
            # c-ares would read 0177.0.0.1 as 177.0.0.1, and libc as 127.0.0.1.
            raise _blocked(f"{host} is an IP address in a form that programs read differently")
        return await self._connected_to_name(port, progress, connect)

    async def _connected_to_name(
        self, port: int, progress: Progress, connect: Connect[T]
    ) -> tuple[object, T]:
        """A connection to the name's first address if that accepts one soon. Only where it does
        not are the other addresses looked up."""
        progress.enter(Phase.DNS)
        first = await self._first_address(progress)
        failure: Finding | None = None
        if first is not None and not self._policy.refuses(first):
            try:
                return await self._first_attempt(first, port, progress, connect)
            except TimeoutError:
                first = None  # tried again with its share of the time left
            except OSError as error:
                failure = reasons.of_os_error(error, Phase.CONNECT, progress.peer)
        progress.enter(Phase.DNS)
        addresses = self._allowed(await self._all_addresses(progress))
        others = [a for a in addresses if a != first] if failure is not None else addresses
        return await self._first_of(others, port, progress, connect, failure)

    async def _first_address(self, progress: Progress) -> str | None:
        first = await self._resolver.lookup_first(progress.host, progress.slot)
        if first is None:
            return None
        progress.looked_up(shared=first.shared)
        return first.address

    async def _all_addresses(self, progress: Progress) -> list[str]:
        addresses, shared = await self._resolver.lookup(progress.host)
        progress.looked_up(shared=shared)
        return addresses

    def _allowed(self, addresses: list[str]) -> list[str]:
        """The addresses that the policy allows, in order. Raises CheckFailed where none is."""
        allowed = [address for address in addresses if not self._policy.refuses(address)]
        if not allowed:
            raise _blocked(f"{addresses[0]} is not a public address")
        return allowed

    async def _first_attempt(
        self, address: str, port: int, progress: Progress, connect: Connect[T]
    ) -> tuple[object, T]:
        """A connection to one address. Raises TimeoutError where it takes longer than a moment."""
        progress.connecting(address, port)
        left_s = max(progress.deadline_s - self._loop.time(), 0.0)
        async with asyncio.timeout(min(FIRST_ATTEMPT_S, left_s / 4)):
            return await connect(address, port)

    async def _first_of(
        self,
        addresses: list[str],
        port: int,
        progress: Progress,
        connect: Connect[T],
        failure: Finding | None = None,
    ) -> tuple[object, T]:
        """A connection to the first address that accepts one.

        Each but the last gets an equal share of the time left, so that a dead address leaves
        some for the next. ``failure``: of an address that was tried before.
        """
        for tried, address in enumerate(addresses):
            progress.connecting(address, port)
            left = len(addresses) - tried
            try:
                if left == 1:
                    return await connect(address, port)
                share_s = max(progress.deadline_s - self._loop.time(), 0.0) / left
                async with asyncio.timeout(share_s):
                    return await connect(address, port)
            except OSError as error:
                finding = reasons.of_os_error(error, Phase.CONNECT, progress.peer)
                failure = reasons.more_conclusive(failure, finding)
        assert failure is not None
        raise CheckFailed(failure)


def _blocked(why: str) -> CheckFailed:
    text = f"{why}, and checks may not connect to it"
    return CheckFailed(down(Reason.BLOCKED_TARGET, text))
