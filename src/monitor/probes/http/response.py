"""Reads one response, as far as a check needs it (RFC 9112). Pure: bytes in, head and end out.

What is found does not depend on how the bytes are cut. The body is counted and thrown away.
"""

from __future__ import annotations

from collections.abc import Container

from monitor.probes.http.chunks import Chunks
from monitor.probes.http.head import BODILESS, CHUNKED, Head, find_end, malformed, no_http, parse

MAX_BODY_BYTES = 64 * 1024
"""How much of a body is read, chunk framing included."""

MAX_READ_BYTES = 256 * 1024
"""How much is read of a connection in all: no browser accepts a longer head."""

MAX_SKIPPED = 100
"""How many interim responses and empty lines may come first. A server that reports that it is
still working does so about every 20 s (RFC 2518, section 10.1)."""

_VERSION = b"HTTP/"
_LF = 0x0A


class Response:
    """One response to one request.

    ``head`` is that of the final response, once it is there. ``complete``: no more is needed.
    ``ends_with_connection``: the end of the connection will complete it.
    """

    __slots__ = (
        "_bodiless",
        "_body_left",
        "_chunks",
        "_head_only",
        "_pending",
        "_room",
        "_searched",
        "_skipped",
        "complete",
        "ends_with_connection",
        "head",
    )

    def __init__(self, *, bodiless: bool = False, head_only: Container[int] = ()) -> None:
        """``bodiless``: the request is a HEAD, so no body follows whatever the head says.
        ``head_only``: statuses whose body is not read."""
        self.head: Head | None = None
        self.complete = False
        self.ends_with_connection = False
        self._bodiless = bodiless
        self._head_only = head_only
        self._room = MAX_READ_BYTES
        self._skipped = 0
        self._pending = bytearray()  # the begin of a head whose end has not come
        self._searched = 0  # how far the end of the head has been looked for in it
        self._body_left = 0
        self._chunks: Chunks | None = None

    def feed(self, data: bytes) -> None:
        """Read on. Raises CheckFailed where this is no response that a browser would take, or
        where there is more of it than is read. What comes behind the end is ignored."""
        over = len(data) > self._room
        if over:
            data = data[: self._room]
        self._room -= len(data)
        if self.head is None:
            data = self._feed_head(data)
        if self.head is not None and not self.complete:
            self.complete = self._feed_body(data)
        if over and not self.complete:
            raise malformed(f"more than {MAX_READ_BYTES // 1024} KiB of head and framing")

    @property
    def endless(self) -> bool:
        """Whether the body is of a kind that goes on for as long as it is read, and says nothing
        of its length."""
        unbounded = self._chunks is not None or self.ends_with_connection
        return unbounded and self.head is not None and self.head.endless

    def _feed_head(self, data: bytes | bytearray) -> bytes:
        """Look for the final head; returns what comes behind it."""
        if self._pending:
            self._pending += data
            data = self._pending
        begin = 0
        while (begin := self._behind_empty_lines(data, begin)) < len(data):
            end = find_end(data, max(begin, self._searched))
            if end < 0:
                break
            head = parse(bytes(data[begin:end]))
            begin, self._searched = end, 0
            if not head.interim:
                self._begin_body(head, self._room + len(data) - begin)
                return bytes(data[begin:])
            self._skip()
        self._keep(data, begin)
        return b""

    def _behind_empty_lines(self, data: bytes | bytearray, begin: int) -> int:
        """Skip empty lines before a status line, as browsers do."""
        while data[begin : begin + 1] == b"\n" or data[begin : begin + 2] == b"\r\n":
            begin += 1 if data[begin] == _LF else 2
            self._skip()
        return begin

    def _skip(self) -> None:
        self._skipped += 1
        if self._skipped > MAX_SKIPPED:
            raise malformed(f"more than {MAX_SKIPPED} interim answers or empty lines came first")

    def _keep(self, data: bytes | bytearray, begin: int) -> None:
        """Keep the begin of a head. What cannot become one is refused at once: a server of another
        protocol may wait for us to speak."""
        if data is not self._pending:
            self._pending = bytearray(data)
        del self._pending[:begin]
        start = bytes(self._pending[: len(_VERSION)])
        if start != b"\r" and not _VERSION.startswith(start.upper()):
            raise no_http()
        self._searched = max(len(self._pending) - 2, 0)

    def _begin_body(self, head: Head, room: int) -> None:
        """Take the final head. ``room``: how much may be read behind it."""
        if self._bodiless or head.status in BODILESS or head.status in self._head_only:
            self.complete = True
        else:
            self._expect(head.body_length(), min(MAX_BODY_BYTES, room))
        self.head = head
        self._pending = bytearray()

    def _expect(self, length: int | None, enough: int) -> None:
        if length == CHUNKED:
            self._chunks = Chunks(enough)
            return
        self.ends_with_connection = length is None
        self._body_left = enough if length is None else min(length, enough)
        self.complete = not self._body_left

    def _feed_body(self, data: bytes) -> bool:
        """Whether the body has ended, or enough of it has been read."""
        if self._chunks is not None:
            ended = self._chunks.feed(data)
            self.ends_with_connection = self._chunks.last_chunk_read
            return ended
        self._body_left -= len(data)
        return self._body_left <= 0
