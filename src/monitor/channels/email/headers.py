"""Header fields of a mail as bytes on the wire (RFC 5322), foreign letters as encoded words. Pure.

The standard library decodes what looks like an encoded word, and what it encodes reads differently
from one Python to the next. Here text is literal, and encoded in one way (RFC 2047):

- as a whole, blanks included, so that none is lost between two words,
- in words of at most 75 characters, each on a line of its own of at most 76, none of them empty,
- between characters, never within one.
"""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Iterator

_LINE, _WORD = 76, 75  # RFC 2047, section 2
_FOLD = "\r\n "

_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_FIELD = re.compile(r"[!-9;-~]+: [!-~][ -~]*(?:\r\n [!-~][ -~]*)*")
_Q_AS_IS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
"""What may stand for itself in a phrase, too (RFC 2047, section 5, rule 3)."""


def token_field(name: str, value: str) -> bytes:
    """A field whose value has no free text, on one line.

    Raises ValueError where the value holds line breaks or anything but printable ASCII.
    """
    return _written(f"{name}: {value}")


def text_field(name: str, text: str) -> bytes:
    """A field of free text (RFC 5322, section 3.6.5) that reads literally as this text.

    Characters that cannot be shown read as blanks. No field where there is no text.
    """
    if not text:
        return b""
    shown = _shown(text)
    if _PLAIN.fullmatch(shown) and "=?" not in shown:
        lines = _wrapped(f"{name}: {shown}")
        if lines[0] != f"{name}:" and max(map(len, lines)) <= _LINE:
            return _written("\r\n".join(lines))
    return _written(f"{name}: {_encoded(shown, _LINE - len(name) - 2)}")


def address_field(name: str, address: str, display: str = "") -> bytes:
    """A field of one address, with the name that is shown, if any.

    Raises ValueError where the address holds anything but printable ASCII.
    """
    if not display:
        return token_field(name, address)
    phrase = _phrase(_shown(display), _LINE - len(name) - 2)
    last_line = f"{name}: {phrase}".rpartition("\r\n")[2]
    fits = len(last_line) + len(address) + 3 <= _LINE
    return _written(f"{name}: {phrase}{' ' if fits else _FOLD}<{address}>")


def _written(field: str) -> bytes:
    """The last thing before the wire: whatever was written above, this is one field."""
    if not _FIELD.fullmatch(field):
        raise ValueError(f"{field.partition(':')[0]} is not one header field")
    return f"{field}\r\n".encode("ascii")


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(
        line, _LINE, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False
    )


def _phrase(text: str, room: int) -> str:
    """A display name: atoms, a quoted string, or encoded words, which no quotes may surround."""
    if "=?" not in text:
        quoted = '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
        plain = text if _ATOMS.fullmatch(text) else quoted
        if plain.isascii() and len(plain) <= room:
            return plain
    return _encoded(text, room)


def _encoded(text: str, room: int) -> str:
    """Encoded words, the first of at most ``room`` characters; the shorter of Q and B."""
    ways = [list(_words(text, room, encoding)) for encoding in "qb"]
    return _FOLD.join(min(ways, key=lambda words: sum(map(len, words))))


def _words(text: str, room: int, encoding: str) -> Iterator[str]:
    word = ""
    for character in text:
        longer = _encoded_word(word + character, encoding)
        if len(longer) > min(room, _WORD):
            yield _encoded_word(word, encoding)
            word, room = "", _WORD
        word += character
    yield _encoded_word(word, encoding)


def _encoded_word(text: str, encoding: str) -> str:
    data = text.encode()
    if encoding == "b":
        return f"=?utf-8?b?{base64.b64encode(data).decode('ascii')}?="
    return f"=?utf-8?q?{''.join(map(_Q.__getitem__, data))}?="


_Q = [chr(n) if n in _Q_AS_IS else "_" if n == 0x20 else f"={n:02X}" for n in range(256)]
"""How each byte is written (RFC 2047, section 4.2)."""
