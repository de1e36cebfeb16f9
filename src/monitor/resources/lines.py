"""Splits a byte stream into numbered lines, and lines into chunks that are stored together. Pure.

The result does not depend on how the stream was split into blocks in transit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from msgspec import Struct

MAX_LINE_BYTES = 1024 * 1024
"""Without the line feed. POST /websites has the same limit, so everything created there can be
exported and imported again."""

CHUNK_LINES = 1000
CHUNK_BYTES = 4 * 1024 * 1024
"""A chunk ends with the line that reaches either limit."""

_DIGEST_BYTES = 32


class LongLine(Struct, frozen=True):
    """A line of more than MAX_LINE_BYTES, of which only the digest is kept."""

    digest: bytes


Line = bytes | LongLine


class Chunk(Struct, frozen=True):
    """Consecutive lines without their line feeds; ``first_line`` counts from 1.

    ``digest``: 32 bytes, equal only for equal lines.
    """

    first_line: int
    lines: list[Line]
    digest: bytes

    @property
    def last_line(self) -> int:
        return self.first_line + len(self.lines) - 1


class LineSplitter:
    """Splits blocks into lines at LF. Buffers at most one line of MAX_LINE_BYTES and a block."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._dropped: hashlib.blake2b | None = None

    def feed(self, block: bytes) -> Iterator[Line]:
        """The lines that this block completes."""
        *whole, rest = block.split(b"\n")
        for part in whole:
            yield self._completed(part)
        self._keep(rest)

    def end(self) -> Iterator[Line]:
        """The last line, if it has no line feed."""
        if self._rest or self._dropped is not None:
            yield self._completed(b"")

    def _completed(self, part: bytes) -> Line:
        if not self._rest and self._dropped is None and len(part) <= MAX_LINE_BYTES:
            return part
        self._keep(part)
        line = bytes(self._rest) if self._dropped is None else LongLine(self._dropped.digest())
        self._rest.clear()
        self._dropped = None
        return line

    def _keep(self, part: bytes) -> None:
        if self._dropped is None:
            self._rest += part
            if len(self._rest) > MAX_LINE_BYTES:
                self._dropped = hashlib.blake2b(self._rest, digest_size=_DIGEST_BYTES)
                self._rest.clear()
        else:
            self._dropped.update(part)


class Chunker:
    """Groups lines into chunks of CHUNK_LINES lines or about CHUNK_BYTES bytes."""

    def __init__(self) -> None:
        self._splitter = LineSplitter()
        self._first_line = 1
        self._lines: list[Line] = []
        self._bytes = 0

    def feed(self, block: bytes) -> Iterator[Chunk]:
        """The chunks that this block completes."""
        yield from self._gather(self._splitter.feed(block))

    def end(self) -> Iterator[Chunk]:
        """The remaining chunks at the end of the stream."""
        yield from self._gather(self._splitter.end())
        if self._lines:
            yield self._next_chunk()

    def _gather(self, lines: Iterator[Line]) -> Iterator[Chunk]:
        for line in lines:
            self._lines.append(line)
            self._bytes += len(line) if isinstance(line, bytes) else 0
            if len(self._lines) >= CHUNK_LINES or self._bytes >= CHUNK_BYTES:
                yield self._next_chunk()

    def _next_chunk(self) -> Chunk:
        chunk = Chunk(self._first_line, self._lines, _digest(self._lines))
        self._first_line += len(self._lines)
        self._lines, self._bytes = [], 0
        return chunk


def _digest(lines: list[Line]) -> bytes:
    """Hash lines; long lines enter by position and digest, in a separate hash domain."""
    joined = b"\n".join([line if isinstance(line, bytes) else b"" for line in lines])
    short = hashlib.blake2b(joined, digest_size=_DIGEST_BYTES).digest()
    long = [(n, line.digest) for n, line in enumerate(lines) if isinstance(line, LongLine)]
    if not long:
        return short
    both = repr((short, long)).encode()
    return hashlib.blake2b(both, digest_size=_DIGEST_BYTES, person=b"long lines").digest()


class RowCount:
    """Counts the rows in blocks of NDJSON, or of CSV without its header.

    A line break between quotes does not end a CSV row (RFC 4180, section 2).
    """

    def __init__(self, *, csv: bool) -> None:
        self.rows = -1 if csv else 0
        self._csv, self._quoted = csv, False

    def add(self, block: bytes) -> None:
        for n, part in enumerate(block.split(b'"') if self._csv else [block]):
            self._quoted ^= n > 0
            if not self._quoted:
                self.rows += part.count(b"\n")
