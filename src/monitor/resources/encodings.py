"""Text in UTF-8 or UTF-16, told apart by its first bytes, as UTF-8. Pure.

A byte order mark says which; without one, the zero byte beside the first ASCII character does
(RFC 4627, section 3). So bodies and files need not say it.
"""

from __future__ import annotations

import codecs

BOM = codecs.BOM_UTF8

CHARSETS = frozenset({"utf-8", "utf-16", "utf-16le", "utf-16be"})
"""What a Content-Type may name."""

_ENOUGH_BYTES = 3
_INVALID = b"\xff"
"""Never part of UTF-8: whoever decodes it refuses it."""


def encoding_of(start: bytes) -> str:
    """Python's name of the encoding of a text that begins with these bytes; three are enough."""
    if start.startswith(BOM):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start[:1] != b"\0" and start[1:2] == b"\0":
        return "utf-16-le"
    if start[:1] == b"\0" and start[1:2] != b"\0":
        return "utf-16-be"
    return "utf-8"


def as_utf8(text: bytes) -> bytes:
    """A whole text as UTF-8, without a byte order mark. Invalid UTF-8 is returned as it is; raises
    UnicodeError for invalid UTF-16."""
    encoding = encoding_of(text)
    if encoding.startswith("utf-8"):
        return text.removeprefix(BOM)
    return text.decode(encoding).encode()


class Utf8Stream:
    """The same for a text that comes in blocks, however they are cut.

    UTF-8 passes unchanged. UTF-16 that is invalid becomes invalid UTF-8, so that whoever reads the
    lines refuses the one at fault.
    """

    def __init__(self) -> None:
        self._start: bytes | None = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, block: bytes) -> bytes:
        """What this block completes."""
        if self._start is not None:
            block = self._start + block
            if len(block) < _ENOUGH_BYTES:
                self._start = block
                return b""
            self._begin(block)
        return block if self._decoder is None else _utf8(self._decoder.decode(block))

    def end(self) -> bytes:
        """What is left at the end of the text."""
        rest = self._start or b""
        if rest:
            self._begin(rest)
        if self._decoder is None:
            return rest
        try:
            return _utf8(self._decoder.decode(rest, final=True))
        except UnicodeDecodeError:
            return _INVALID

    def _begin(self, start: bytes) -> None:
        self._start = None
        encoding = encoding_of(start)
        if not encoding.startswith("utf-8"):
            self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")


def _utf8(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
