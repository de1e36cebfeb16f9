"""One HTTP/1.1 request and its answer on a connection of its own (RFC 9112).

aiohttp's parser reads the answer; its client is left out, as most of what that does (pools,
cookies, redirects, decompression, a stream to read from) a check has no use for, and it is half
of what a check costs (docs/performance.md).
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
"""How much of an answer's body is read, the framing of chunks counted."""

MAX_FRAMING_BYTES = 4 * 1024
"""And how much of that may be framing: a chunk costs as much CPU with one byte in it as with
thousands."""

LEAST_BODY_BYTES = 1024
"""Either if so much of it is body. Framing alone goes on to MAX_READ_BYTES."""

MAX_READ_BYTES = 256 * 1024
"""What is read of one connection in all: no head that a browser would take is longer."""

MAX_INTERIM_ANSWERS = 100
"""And empty lines before them: each costs as much as an answer does. A server that says it is
still at work does so about every 20 s (RFC 2518, section 10.1)."""

_HEAD_ENDS = b"\r\n\r\n"
_PARSED_AT_ONCE = 4 * 1024
"""Of what came, in bytes. Chunks of one byte become objects a hundred times their size."""

_MAX_LINE_BYTES = 8190
_MAX_FIELDS = 128
_SWITCHING = HTTPStatus.SWITCHING_PROTOCOLS
_BODILESS = frozenset({_SWITCHING, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Exchange(BaseProtocol, ProbeProtocol):
    """Sends ``request`` once it is connected; ``answer`` waits for what comes back.

    Books the phases from then on. The answer counts as complete at its end or after
    as much of its body as is read; nothing of the body is kept. Whoever made it closes it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        progress: Progress,
        request: bytes,
        *,
        bodiless: bool = False,
        head_suffices: Container[int] = (),
    ) -> None:
        """``bodiless``: the request was a HEAD, so that no body follows whatever the head says.
        ``head_suffices``: status codes of answers whose body is not read."""
        # The reader is emptied at every turn, so that nothing is ever paused.
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
        self._head_suffices = head_suffices
        self._answered: asyncio.Future[RawResponseMessage] = loop.create_future()
        self._head: RawResponseMessage | None = None
        self._body: StreamReader | None = None
        self._read = 0
        self._framed = 0
        self._interim = 0

    async def answer(self) -> RawResponseMessage:
        """The head of the answer, once its body was read. Raises CheckFailed."""
        return await self._answered

    def close(self) -> None:
        """Give the connection up at once.

        Closing properly would wait for a peer that need not answer: TLS says goodbye, and a
        request that was not taken is still to be sent.
        """
        if self.transport is not None:
            self.transport.abort()
        # Both know us: cycles that only the garbage collector would find.
        self._parser = self._body = None
        self._answered.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request. Over TLS this is called when the handshake is done."""
        self.transport = transport  # type: ignore[assignment] # asyncio promises no more
        self._progress.enter(Phase.WAIT)
        self.transport.write(self._request)  # type: ignore[union-attr]

    def data_received(self, data: bytes) -> None:
        """Read on, unless it is too much."""
        if self._answered.done() or self._parser is None:
            return
        if not self._read:
            self._progress.enter(Phase.TRANSFER)
        begin = 0
        while begin < len(data) and not self._answered.done():
            end = self._end_of_part(data, begin)
            self._read += end - begin
            self._parse(data[begin:end])
            begin = end
            if not self._answered.done():
                self._refuse_excess()

    def _refuse_excess(self) -> None:
        if self._read > MAX_READ_BYTES:
            text = "the answer is far longer than its head and the part that is read"
        elif self._interim > MAX_INTERIM_ANSWERS:
            text = f"more than {MAX_INTERIM_ANSWERS} interim answers or empty lines came first"
        else:
            return
        self._fail(CheckFailed(down(Reason.INVALID_RESPONSE, text)))

    def _end_of_part(self, data: bytes, begin: int) -> int:
        """Where to stop parsing for a look: after each head, until the final one is there.

        What the parser raises over what comes after a head takes the head with it, and what
        follows a complete answer is no part of it.
        """
        most = min(begin + _PARSED_AT_ONCE, len(data))
        end = -1 if self._head is not None else data.find(_HEAD_ENDS, begin, most)
        self._interim += end == begin  # empty lines, which are passed over, too
        return most if end < 0 else end + len(_HEAD_ENDS)

    def _parse(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            messages, _, _ = self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 # what the parser raises is the answer's fault
            if self._body is None or not self._body.is_eof():
                self._fail(CheckFailed(reasons.of_malformed(error)))
                return
            messages = []  # the answer was complete before that
        if self._head is not None:
            self._framed += len(data)
        for head, body in messages:
            if self._head is None and self._take(head, body):
                return
        self._read_body()

    def _take(self, head: RawResponseMessage, body: StreamReader) -> bool:
        """Note a head; True where the answer ends with it. Interim ones are passed over."""
        if 100 <= head.code < 200 and head.code != _SWITCHING:
            self._interim += 1
            return False
        self._progress.status_code = head.code
        self._head = head
        if head.code in _BODILESS or head.code in self._head_suffices:
            self._answered.set_result(head)
            return True
        self._body = body
        return False

    def _read_body(self) -> None:
        body = self._body
        if body is None or self._head is None:
            return
        if not body.is_eof() and not self._suffices(body.total_bytes):
            body.read_nowait(-1)
            return
        self._answered.set_result(self._head)

    def _suffices(self, body_bytes: int) -> bool:
        much = self._framed >= MAX_BODY_BYTES or self._framed - body_bytes >= MAX_FRAMING_BYTES
        return much and body_bytes >= LEAST_BODY_BYTES

    def pause_reading(self) -> None:
        """The body is emptied as it comes, so there is nothing to pause for."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Likewise. aiohttp's own would parse on from within the reading of a body."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end: of a body that has no other, or of a check that got no answer."""
        self.transport = None
        if self._answered.done():
            return
        error = exc if isinstance(exc, Exception) else None
        if error is None and self._body is not None and self._ends_here():
            assert self._head is not None
            self._answered.set_result(self._head)
            return
        self._fail(
            CheckFailed(reasons.of_lost(error, self._progress, begun=self._head is not None))
        )

    def _ends_here(self) -> bool:
        """Whether the end of the connection is the end of the body (RFC 9112, section 6.3)."""
        try:
            assert self._parser is not None
            self._parser.feed_eof()
        except Exception:  # noqa: BLE001 # less came than was announced, however it is put
            return False
        return self._body is not None and self._body.is_eof()

    def _fail(self, failed: CheckFailed) -> None:
        self._answered.set_exception(failed)
        self._answered.exception()  # seen: nobody waits for it where the handshake is not over
        if self.transport is not None:
            self.transport.abort()
