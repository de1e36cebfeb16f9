"""How a check gets its connection: resolve, connect, handshake, each timed and bounded."""

from __future__ import annotations

import asyncio
import socket
import ssl
from ipaddress import ip_address

from aiohttp import BaseConnector, ClientRequest, ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace

from monitor.domain.outcome import Reason
from monitor.probes import reasons, tls
from monitor.probes.address_policy import AddressPolicy
from monitor.probes.phases import CURRENT, Phase, Progress
from monitor.probes.reasons import CheckFailed, Finding, down
from monitor.probes.resolver import Resolver

MAX_RECEIVED_BYTES = 1024 * 1024
"""What one connection may deliver in all: head, chunk framing, interim answers. A body that
is read to its limit of 64 KiB in chunks of one byte stays below half of it."""


class Connector(BaseConnector):
    """Makes a fresh connection for each request, to an address that the policy allows.

    Books each phase on the ``CURRENT`` check. Raises CheckFailed.
    """

    def __init__(self, resolver: Resolver, policy: AddressPolicy) -> None:
        super().__init__(force_close=True, limit=0)
        self._resolver = resolver
        self._policy = policy

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],  # noqa: ARG002  # the signature is aiohttp's
        timeout: ClientTimeout,  # noqa: ARG002, ASYNC109  # the same
    ) -> ResponseHandler:
        progress = CURRENT.get()
        progress.host, port = req.url.raw_host or "", req.url.port or 0
        addresses = await self._addresses(progress)
        progress.enter(Phase.CONNECT)
        sock = await self._connect(addresses, port, progress)
        protocol = Protocol(self._loop, progress)
        if req.is_ssl():
            assert isinstance(req.ssl, ssl.SSLContext)
            await self._handshake(protocol, sock, req.ssl, progress)
        else:
            await self._loop.create_connection(lambda: protocol, sock=sock)
        progress.enter(Phase.WAIT)
        return protocol

    async def _addresses(self, progress: Progress) -> list[str]:
        """The addresses to try, in order; those the policy refuses are left out."""
        host = progress.host
        if _is_address(host):
            found = [host]
        else:
            progress.enter(Phase.DNS)
            found = await self._resolver.lookup(host)
        allowed = [address for address in found if not self._policy.refuses(address)]
        if not allowed:
            text = f"{found[0]} is not a public address, and checks may not connect to it"
            raise CheckFailed(down(Reason.BLOCKED_TARGET, text))
        return allowed

    async def _connect(self, addresses: list[str], port: int, progress: Progress) -> socket.socket:
        """A connection to the first address that accepts one.

        Each but the last gets its share of the time left, so that a dead one leaves some
        for the next.
        """
        failure: Finding | None = None
        for tried, address in enumerate(addresses):
            progress.peer = f"{address} port {port}"
            left = len(addresses) - tried
            try:
                if left == 1:
                    return await self._connect_to(address, port)
                share_s = max(progress.deadline_s - self._loop.time(), 0.0) / left
                async with asyncio.timeout(share_s):
                    return await self._connect_to(address, port)
            except OSError as error:
                found = reasons.of_os_error(error, Phase.CONNECT, progress.peer)
                failure = reasons.more_telling(failure, found)
        assert failure is not None
        raise CheckFailed(failure)

    async def _connect_to(self, address: str, port: int) -> socket.socket:
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
        self, protocol: Protocol, sock: socket.socket, context: ssl.SSLContext, progress: Progress
    ) -> None:
        progress.enter(Phase.TLS)
        try:
            await self._loop.create_connection(
                lambda: protocol,
                sock=sock,
                ssl=context,
                server_hostname=progress.host.rstrip("."),
                ssl_handshake_timeout=tls.HANDSHAKE_LIMIT_S,
            )
        except OSError as error:
            raise CheckFailed(reasons.of_tls_error(error, progress)) from error
        except asyncio.CancelledError:
            # Should the handshake have ended in the same tick, the loop would say goodbye
            # to a peer that need not answer, for half a minute.
            protocol.abort()
            raise


class Protocol(ResponseHandler):
    """One connection of a check: counted in bytes, and aborted instead of closed.

    Closing would wait for a peer that need not answer: TLS says goodbye, and a request that
    was not taken is still to be sent.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, progress: Progress) -> None:
        super().__init__(loop)
        self._progress = progress
        self._received = 0

    def data_received(self, data: bytes) -> None:
        """Hand on what came, unless it is too much."""
        if not self._received:
            self._progress.enter(Phase.TRANSFER)
        self._received += len(data)
        if self._received > MAX_RECEIVED_BYTES:
            text = "the answer is far longer than its head and the part that is read"
            self._fail(CheckFailed(down(Reason.INVALID_RESPONSE, text)))
            return
        super().data_received(data)
        if isinstance(self._exception, Exception):
            # The parser gave up; aiohttp tells those who wait for a head, not for a body.
            self._fail(self._exception)

    def _fail(self, error: Exception) -> None:
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
            self._payload = None  # or losing the connection would be the reason in the end
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Give the connection up at once."""
        self.abort()


def _is_address(host: str) -> bool:
    """Whether this is an IP address in its usual form: only those skip the DNS."""
    if ":" not in host and not host[-1:].isdigit():
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
