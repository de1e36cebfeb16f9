"""Escapes untrusted text for a terminal: no control sequences, no forged lines."""

from __future__ import annotations

import codecs
import unicodedata
from typing import TextIO

_KEPT = frozenset("\n\t")


def escape_terminal(text: str) -> str:
    """Escape every control and formatting character (Unicode's Cc, Cf, Zl, Zp and lone surrogates),
    as in ``\\x1b``, but line feeds and tabs."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in _KEPT or not _is_control(c) else _escaped(c) for c in text)


def single_line(text: str) -> str:
    """The same, line feeds and tabs included."""
    return escape_terminal(text).replace("\n", "\\n").replace("\t", "\\t")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs"}


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class TerminalBytes:
    """Escapes UTF-8 bytes for a terminal; files and pipes are to get the bytes themselves."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> int:
        self._terminal.write(escape_terminal(self._decoder.decode(data)))
        return len(data)

    def flush(self) -> None:
        self._terminal.flush()
