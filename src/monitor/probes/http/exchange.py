"""One HTTP/1.1 request and its response on a connection of its own (RFC 9112).

aiohttp's parser reads the response. Its client is not used: a check has no need for most of it
(pools, cookies, redirects, decompression, streams), and it would be half of a check's cost
(docs/performance.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from http import HTTPStatus
from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParser, RawResponseMessage
from aiohttp.streams import StreamReader

from monitor.domain.outcome import Reason
from monitor.probes.net import reasons
from monitor.probes.net.connector import ProbeProtocol
from monitor.probes.net.phases import Phase, Progress
from monitor.probes.net.reasons import CheckFailed, down

MAX_BODY_BYTES = 64 * 1024
"""How much of a body is read, chunk framing included."""

MAX_FRAMING_BYTES = 4 * 1024
"""How much of that may be chunk framing: a chunk of one byte costs as much CPU as one of
thousands."""

MIN_BODY_BYTES = 1024
"""Both limits apply once this much body has been read. Framing alone may reach
MAX_READ_BYTES."""

MAX_READ_BYTES = 256 * 1024
"""How much is read from a connection in all: no browser accepts a longer head."""

MAX_INTERIM_RESPONSES = 100
"""Empty lines before them count too, as each costs as much. A server that reports that it is still
working does so about every 20 s (RFC 2518, section 10.1)."""

_HEAD_ENDS = b"\r\n\r\n"
_PARSE_STEP_BYTES = 4 * 1024
"""How much is parsed at once: chunks of one byte become objects a hundred times their size."""

_MAX_LINE_BYTES = 8190
_MAX_FIELDS = 128
_SWITCHING = HTTPStatus.SWITCHING_PROTOCOLS
_BODILESS = frozenset({_SWITCHING, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Exchange(BaseProtocol, ProbeProtocol):
    """Sends ``request`` once it is connected; ``response`` waits for the response.

    Records the phases from then on. The response counts as complete at its end or at the limits
    above; its body is discarded. The creator closes the exchange.
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
        # The stream is drained after every parse, so nothing is ever paused.
        parser: Any = HttpResponseParser(
            self,
            loop,
            MAX_READ_BYTES,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
            max_headers=_MAX_FIELDS,
            response_with_body=not bodiless,
            read_until_eof=True,
            auto_decompress=False,
        )
        super().__init__(loop, parser)
        self._progress = progress
        self._request = request
        self._head_only = head_only
        self._response: asyncio.Future[RawResponseMessage] = loop.create_future()
        self._head: RawResponseMessage | None = None
        self._body: StreamReader | None = None
        self._read = 0
        self._framed = 0
        self._interim = 0

    async def response(self) -> RawResponseMessage:
        """The head of the response, once its body has been read. Raises CheckFailed."""
        return await self._response

    def close(self) -> None:
        """Abort the connection.

        An orderly close would wait for a peer that need not answer: for the TLS shutdown, and for
        unsent parts of the request.
        """
        if self.transport is not None:
            self.transport.abort()
        # Both refer to us: cycles that only the garbage collector would free.
        self._parser = self._body = None
        self._response.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request. Over TLS this is called after the handshake."""
        self.transport = transport  # type: ignore[assignment] # asyncio promises no more
        self._progress.enter(Phase.WAIT)
        self.transport.write(self._request)  # type: ignore[union-attr]

    def data_received(self, data: bytes) -> None:
        """Parse the data in steps, up to the limits above."""
        if self._response.done() or self._parser is None:
            return
        if not self._read:
            self._progress.enter(Phase.TRANSFER)
        begin = 0
        while begin < len(data) and not self._response.done():
            end = self._end_of_step(data, begin)
            self._read += end - begin
            self._parse(data[begin:end])
            begin = end
            if not self._response.done():
                self._refuse_excess()

    def _refuse_excess(self) -> None:
        if self._read > MAX_READ_BYTES:
            text = f"more than {MAX_READ_BYTES // 1024} KiB of head and framing"
        elif self._interim > MAX_INTERIM_RESPONSES:
            text = f"more than {MAX_INTERIM_RESPONSES} interim answers or empty lines came first"
        else:
            return
        self._fail(CheckFailed(down(Reason.INVALID_RESPONSE, text)))

    def _end_of_step(self, data: bytes, begin: int) -> int:
        """Where this step of parsing ends: at most behind the next head, until the final head.

        An error of the parser behind a head would lose the head, and data behind a complete
        response is not part of it.
        """
        limit = min(begin + _PARSE_STEP_BYTES, len(data))
        end = -1 if self._head is not None else data.find(_HEAD_ENDS, begin, limit)
        self._interim += end == begin  # empty lines, which are skipped too
        return limit if end < 0 else end + len(_HEAD_ENDS)

    def _parse(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            messages, _, _ = self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 # the response is malformed
            if self._body is None or not self._body.is_eof():
                self._fail(CheckFailed(reasons.of_malformed(error)))
                return
            messages = []  # the response was complete before that
        if self._head is not None:
            self._framed += len(data)
        for head, body in messages:
            if self._head is None and self._on_head(head, body):
                return
        self._read_body()

    def _on_head(self, head: RawResponseMessage, body: StreamReader) -> bool:
        """Keep a head; True where the response ends with it. Interim responses are skipped."""
        if 100 <= head.code < 200 and head.code != _SWITCHING:
            self._interim += 1
            return False
        self._progress.status_code = head.code
        self._head = head
        if head.code in _BODILESS or head.code in self._head_only:
            self._response.set_result(head)
            return True
        self._body = body
        return False

    def _read_body(self) -> None:
        body = self._body
        if body is None or self._head is None:
            return
        if not body.is_eof() and not self._read_enough(body.total_bytes):
            body.read_nowait(-1)
            return
        self._response.set_result(self._head)

    def _read_enough(self, body_bytes: int) -> bool:
        limit_reached = (
            self._framed >= MAX_BODY_BYTES or self._framed - body_bytes >= MAX_FRAMING_BYTES
        )
        return limit_reached and body_bytes >= MIN_BODY_BYTES

    def pause_reading(self) -> None:
        """Nothing to do: the body is drained as it arrives."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Nothing to do; aiohttp's own would parse from within the reading of a body."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end of a body without a length, or a check without a response."""
        self.transport = None
        if self._response.done():
            return
        error = exc if isinstance(exc, Exception) else None
        if error is None and self._body is not None and self._ends_here():
            assert self._head is not None
            self._response.set_result(self._head)
            return
        begun = self._head is not None
        self._fail(CheckFailed(reasons.of_connection_lost(error, self._progress, begun=begun)))

    def _ends_here(self) -> bool:
        """Whether the end of the connection is the end of the body (RFC 9112, section 6.3)."""
        try:
            assert self._parser is not None
            self._parser.feed_eof()
        except Exception:  # noqa: BLE001 # less arrived than was announced, whatever is raised
            return False
        return self._body is not None and self._body.is_eof()

    def _fail(self, failed: CheckFailed) -> None:
        self._response.set_exception(failed)
        self._response.exception()  # mark as retrieved: during the handshake nobody waits for it
        if self.transport is not None:
            self.transport.abort()
