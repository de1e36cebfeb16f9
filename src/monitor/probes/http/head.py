"""Reads the head of a response as browsers do (RFC 9112, sections 4 to 6). Pure.

Lenient, because a response is not forwarded to anybody: what keeps a proxy from being told two
different things by one message would be a false alarm here (docs/reference/answers.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus

from msgspec import Struct

from monitor.domain.outcome import Reason
from monitor.probes.net.reasons import CheckFailed, down

MAX_LINE_BYTES = 64 * 1024
MAX_FIELD_LINES = 1000

CHUNKED = -1
"""The length of a body that comes in chunks."""

BODILESS = frozenset(
    {HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
)
"""Final statuses without a body, whatever the head says (RFC 9112, section 6.3)."""

_MAX_LENGTH_DIGITS = 18
_NUMBER = re.compile(rb"\+?([0-9]+)")
_STATUS = re.compile(rb"HTTP/[0-3](?:\.[0-9])?[ \t]+([0-9]{3})(?![0-9])", re.IGNORECASE)


def _field(names: bytes) -> re.Pattern[bytes]:
    """Finds the fields of these names; the last group is the value, with the lines that continue
    it (RFC 9112, section 5.2). Blanks before the colon are let pass."""
    return re.compile(rb"\n" + names + rb"[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE)


_FRAMING = _field(rb"(?:(content-length)|transfer-encoding)")
_LOCATION = _field(rb"location")
_SET_COOKIE = _field(rb"set-cookie")
_ENDLESS = re.compile(
    rb"\ncontent-type[ \t]*:[ \t]*(?:\r?\n[ \t]+)?"
    rb"(?:text/event-stream|multipart/x-mixed-replace)\s*[;\n]",
    re.IGNORECASE,
)


class Head(Struct, frozen=True):
    """A head as it came: status line, fields, and the empty line that ends it."""

    status: int
    text: bytes

    @property
    def interim(self) -> bool:
        """Whether another response follows (RFC 9110, section 15.2)."""
        return 100 <= self.status < 200 and self.status != HTTPStatus.SWITCHING_PROTOCOLS

    @property
    def endless(self) -> bool:
        """Whether the body is of a kind that a server goes on sending for as long as it is read."""
        return _ENDLESS.search(self.text) is not None

    def location(self) -> bytes:
        """The first Location, empty where there is none."""
        match = _LOCATION.search(self.text)
        return _value(match) if match else b""

    def set_cookies(self) -> Iterator[bytes]:
        """The value of each Set-Cookie, in order."""
        return map(_value, _SET_COOKIE.finditer(self.text))

    def body_length(self) -> int | None:
        """How long the body is in bytes, CHUNKED, or None where the end of the connection is its
        end. Raises CheckFailed.

        Chunks win over a Content-Length (RFC 9112, section 6.3). Other transfer codings do not
        say where a body ends and are passed over. The same length may be given more than once.
        """
        lengths: set[int | None] = set()
        for match in _FRAMING.finditer(self.text):
            values = match[2].split(b",")
            if match[1] is not None:
                lengths.update(_length(value) for value in map(bytes.strip, values) if value)
            elif any(value.strip().lower() == b"chunked" for value in values):
                return CHUNKED
        if len(lengths) > 1:
            raise malformed("the answer gives several lengths")
        return lengths.pop() if lengths else None


def _length(value: bytes) -> int | None:
    """The number that a Content-Length begins with, as in curl; None where it is so large that
    nothing can be said."""
    match = _NUMBER.match(value)
    if match is None:
        raise malformed("the length of the answer is not a number")
    return int(match[1]) if len(match[1]) <= _MAX_LENGTH_DIGITS else None


def find_end(data: bytes | bytearray, since: int) -> int:
    """Where the first empty line behind another ends, or -1. Lines end with LF or CRLF (RFC 9112,
    section 2.2)."""
    after_crlf = data.find(b"\n\r\n", since)
    after_lf = data.find(b"\n\n", since, after_crlf + 1 if after_crlf >= 0 else len(data))
    if after_lf >= 0:
        return after_lf + 2
    return after_crlf + 3 if after_crlf >= 0 else -1


def parse(text: bytes) -> Head:
    """The head that these bytes are, up to its empty line. Raises CheckFailed.

    A line without a colon is passed over. A NUL in a field is refused, as by curl.
    """
    match = _STATUS.match(text)
    if match is None:
        raise no_http()
    if text.count(b"\n") - 2 > MAX_FIELD_LINES:
        raise malformed(f"the answer's head has more than {MAX_FIELD_LINES} lines")
    if len(text) > MAX_LINE_BYTES and _longest_line(text) > MAX_LINE_BYTES:
        raise malformed("a line of the answer's head is too long")
    if b"\0" in text and b"\0" in text[text.index(b"\n") :]:
        raise malformed("a header of the answer is malformed")
    return Head(int(match[1]), text)


def _longest_line(text: bytes) -> int:
    return max(len(line.rstrip(b"\r")) for line in text.split(b"\n"))


def no_http() -> CheckFailed:
    return malformed("the answer does not begin like HTTP")


def malformed(text: str) -> CheckFailed:
    return CheckFailed(down(Reason.INVALID_RESPONSE, text))


def _value(match: re.Match[bytes]) -> bytes:
    """Without the blanks around it; a line that continues it is joined by one blank."""
    value = match[match.lastindex or 0]
    if b"\n" in value:
        value = re.sub(rb"\r?\n[ \t]+", b" ", value)
    return value.strip(b" \t\r\n")
