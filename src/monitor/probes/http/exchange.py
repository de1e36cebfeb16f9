"""One HTTP/1.1 request and its response on a connection of its own (RFC 9112).

No client is used: a check has no need for most of one (pools, decompression, streams), and it
would be half of a check's cost (docs/performance.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Container

from monitor.probes.http.head import Head
from monitor.probes.http.response import Response
from monitor.probes.net import reasons
from monitor.probes.net.connector import ProbeProtocol
from monitor.probes.net.phases import Phase, Progress
from monitor.probes.net.reasons import CheckFailed

MAX_ENDLESS_S = 10.0
"""How long an endless response is read: half of the check's time, and no longer than this."""


class Exchange(ProbeProtocol):
    """Sends ``request`` once it is connected; ``response`` waits for the response.

    Records the phases from then on. The creator closes the exchange.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        progress: Progress,
        request: bytes,
        *,
        bodiless: bool = False,
        head_only: Container[int] = (),
    ) -> None:
        """``bodiless``: the request is a HEAD, so no body follows whatever the head says.
        ``head_only``: status codes of responses whose body is not read."""
        self.transport: asyncio.Transport | None = None
        self._loop = loop
        self._progress = progress
        self._request = request
        self._received = Response(bodiless=bodiless, head_only=head_only)
        self._response: asyncio.Future[Head] = loop.create_future()
        self._endless: asyncio.TimerHandle | None = None

    async def response(self) -> Head:
        """The head of the response, once enough of its body has been read. Raises CheckFailed."""
        return await self._response

    def close(self) -> None:
        """Abort the connection.

        An orderly close would wait for a peer that need not answer: for the TLS shutdown, and for
        unsent parts of the request.
        """
        if self.transport is not None:
            self.transport.abort()
        if self._endless is not None:
            self._endless.cancel()
        self._response.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request. Over TLS this is called after the handshake."""
        self.transport = transport  # type: ignore[assignment] # asyncio promises no more
        self._progress.enter(Phase.WAIT)
        self.transport.write(self._request)  # type: ignore[union-attr]

    def data_received(self, data: bytes) -> None:
        """Read on, until the response is complete."""
        if self._response.done():
            return
        progress, received = self._progress, self._received
        if progress.phase is Phase.WAIT:
            progress.enter(Phase.TRANSFER)
        begun = received.head is not None
        try:
            received.feed(data)
        except CheckFailed as failed:
            self._fail(failed)
        head = received.head
        if head is None:
            return
        progress.status_code = head.status
        if self._response.done():
            return
        if received.complete:
            self._response.set_result(head)
        elif not begun and received.endless:
            self._read_for_a_while()

    def _read_for_a_while(self) -> None:
        """Stop the watch, as such a response is there with its head, and look for a while whether
        its body breaks off."""
        progress = self._progress
        progress.enter(Phase.IDLE)
        left_s = max(progress.timeout_s / 2, progress.timeout_s - MAX_ENDLESS_S)
        self._endless = self._loop.call_at(progress.deadline_s - left_s, self._on_enough)

    def _on_enough(self) -> None:
        if not self._response.done() and self._received.head is not None:
            self._response.set_result(self._received.head)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end of a body without a length, or a check without a response."""
        self.transport = None
        if self._response.done():
            return
        head = self._received.head
        error = exc if isinstance(exc, Exception) else None
        if head is not None and error is None and self._received.ends_with_connection:
            self._response.set_result(head)
            return
        begun = head is not None
        self._fail(CheckFailed(reasons.of_connection_lost(error, self._progress, begun=begun)))

    def _fail(self, failed: CheckFailed) -> None:
        self._response.set_exception(failed)
        self._response.exception()  # mark as retrieved: during the handshake nobody waits for it
        if self.transport is not None:
            self.transport.abort()
