"""Text of strangers on its way to a terminal: nothing in it may steer one, or pass for a line."""

from __future__ import annotations

import codecs
import unicodedata
from typing import TextIO

_KEPT = frozenset("\n\t")


def harmless(text: str) -> str:
    """The text with every control and formatting character (Unicode's Cc, Cf, Zl, Zp and lone
    surrogates) written out as ``\\x1b``, but for line feeds and tabs."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in _KEPT or not _steers(c) else _written_out(c) for c in text)


def one_line(text: str) -> str:
    """The same, and line feeds and tabs too."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


def _steers(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs"}


def _written_out(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class TerminalBytes:
    """Bytes in UTF-8 for a terminal, made harmless; a file or a pipe gets them as they are."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> int:
        self._terminal.write(harmless(self._decoder.decode(data)))
        return len(data)

    def flush(self) -> None:
        self._terminal.flush()
