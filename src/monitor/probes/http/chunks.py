"""Reads a body that comes in chunks (RFC 9112, section 7.1). Pure."""

from __future__ import annotations

import re

from monitor.probes.http.head import find_end, malformed

MAX_FRAMING_BYTES = 4 * 1024
"""How much of a body may be framing: a chunk of one byte costs as much CPU as one of thousands."""

MIN_BODY_BYTES = 1024
"""Limits apply once this much of the body has been read. Framing alone may go on for as long as
anything is read."""

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\r?", re.DOTALL)
_LINE_ENDS = (b"", b"\r")


class Chunks:
    """Counts a body and finds its end, however the bytes are cut.

    For that, limits are looked at where a part of the body ends: the data of a chunk, or a line.
    """

    __slots__ = ("_body", "_enough_bytes", "_framing", "_left", "_line", "_line_end_due", "_tail")

    def __init__(self, enough_bytes: int) -> None:
        """``enough_bytes``: how much is read in all, framing included."""
        self._enough_bytes = enough_bytes
        self._body = 0
        self._framing = 0
        self._left = 0  # of the chunk's data
        self._line = bytearray()  # the begin of a line whose end has not come
        self._line_end_due = False  # behind the chunk's data
        self._tail = b""  # the last bytes of the trailer so far; empty before it

    def feed(self, data: bytes) -> bool:
        """Whether the body has ended or enough of it has been read. Raises CheckFailed."""
        at = 0
        while at < len(data):
            if self._tail:
                return self._read_trailer(data[at:])
            at = self._read_data(data, at) if self._left else self._read_line(data, at)
            if self._enough():
                return True
        return False

    @property
    def last_chunk_read(self) -> bool:
        """Whether only a trailer, or its empty line, is missing."""
        return bool(self._tail)

    def _enough(self) -> bool:
        return self._body >= MIN_BODY_BYTES and (
            self._framing >= MAX_FRAMING_BYTES or self._body + self._framing >= self._enough_bytes
        )

    def _read_data(self, data: bytes, at: int) -> int:
        """Count what there is of the chunk's data; returns where it ends."""
        taken = min(self._left, len(data) - at)
        self._left -= taken
        self._body += taken
        return at + taken

    def _read_line(self, data: bytes, at: int) -> int:
        """Read the next line, or keep what there is of it; returns where it ends."""
        if self._line_end_due and not self._line and data[at] not in b"\r\n":
            raise _malformed()
        end = data.find(b"\n", at)
        if end < 0:
            self._line += data[at:]
            return len(data)
        line = data[at:end]
        if self._line:
            line = bytes(self._line + line)
            self._line.clear()
        self._framing += len(line) + 1
        self._take(line)
        return end + 1

    def _take(self, line: bytes) -> None:
        if self._line_end_due:
            if line not in _LINE_ENDS:
                raise _malformed()
            self._line_end_due = False
            return
        size = _SIZE.fullmatch(line)
        if size is None:
            raise _malformed()
        self._left = int(size[1], 16)
        if self._left:
            self._line_end_due = True
        else:
            self._tail = b"\n"

    def _read_trailer(self, data: bytes) -> bool:
        """Skip the fields behind the last chunk, up to an empty line."""
        self._framing += len(data)
        searched = self._tail + data
        self._tail = searched[-2:]
        return find_end(searched, 0) >= 0 or self._enough()


def _malformed() -> Exception:
    return malformed("the answer's chunks are malformed")
