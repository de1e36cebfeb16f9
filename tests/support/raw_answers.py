"""Answers as they come from a socket: what counts as one, and what does not."""

from __future__ import annotations

from typing import NamedTuple

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PAGE = b"4\r\nfine\r\n0\r\n\r\n"


class Raw(NamedTuple):
    """An answer that counts: its bytes, after which the connection ends, and its status.

    ``curl``: whether curl 7.88 takes it, too. Where it does not, browsers do.
    """

    data: bytes
    status: int = 200
    method: str = "GET"
    curl: bool = True


def _long_head(length: int) -> bytes:
    """A head of exactly so many bytes, of an answer with four."""
    head = OK + b"Content-Length: 4\r\nX: "
    return head + b"x" * (length - len(head) - 4) + b"\r\n\r\nfine"


ACCEPTED: dict[str, Raw] = {
    "plain": Raw(OK + b"Content-Length: 4\r\n\r\nfine"),
    "empty": Raw(OK + b"Content-Length: 0\r\n\r\n"),
    "HTTP/1.0, ends with the connection": Raw(b"HTTP/1.0 200 OK\r\n\r\nfine"),
    "no fields": Raw(OK + b"\r\n"),
    "no phrase": Raw(b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nfine"),
    "several blanks before the status": Raw(b"HTTP/1.1  200 OK\r\n\r\n"),
    "404": Raw(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", 404),
    "999": Raw(b"HTTP/1.1 999 No\r\n\r\n", 999),
    # line ends
    "LF alone": Raw(b"HTTP/1.1 200 OK\nContent-Length: 4\n\nfine"),
    "LF and CRLF": Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\n\r\nfine"),
    "LF alone, no length": Raw(b"HTTP/1.1 200 OK\nServer: x\n\nfine"),
    # chunks
    "chunks": Raw(CHUNKED + PAGE),
    "chunks with LF alone": Raw(CHUNKED + b"4\nfine\n0\n\n"),
    "chunk with an extension": Raw(CHUNKED + b'4;a="b"\r\nfine\r\n0;c\r\n\r\n'),
    "chunk sizes with blanks": Raw(CHUNKED + b"4  \r\nfine\r\n0  \r\n\r\n"),
    "chunk sizes with zeros": Raw(CHUNKED + b"0004\r\nfine\r\n000\r\n\r\n"),
    "chunk size in capitals": Raw(CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n"),
    "trailer": Raw(CHUNKED + b"4\r\nfine\r\n0\r\nX: y\r\nZ: z\r\n\r\n"),
    "chunks of one byte": Raw(CHUNKED + b"1\r\nx\r\n" * 40 + b"0\r\n\r\n"),
    "no line behind the last chunk": Raw(CHUNKED + PAGE[:-2], curl=False),
    "half a line behind the last chunk": Raw(CHUNKED + PAGE[:-1]),
    "bytes behind the last chunk": Raw(CHUNKED + PAGE + b"more"),
    "chunked in capitals": Raw(OK + b"transfer-encoding: CHUNKED\r\n\r\n" + PAGE),
    "chunked by HTTP/1.0": Raw(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + PAGE),
    # what intermediaries produce
    "chunks and a length": Raw(
        OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + PAGE
    ),
    "a length and chunks": Raw(
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + PAGE
    ),
    "chunks and an impossible length": Raw(
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: -1\r\n\r\n" + PAGE, curl=False
    ),
    "identity": Raw(OK + b"Transfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nfine"),
    "identity alone": Raw(OK + b"Transfer-Encoding: identity\r\n\r\nfine"),
    "identity and chunked": Raw(OK + b"Transfer-Encoding: identity, chunked\r\n\r\n" + PAGE),
    "chunked on a line of its own": Raw(
        OK + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n" + PAGE
    ),
    "the same length twice": Raw(OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nfine"),
    "the same length in one line": Raw(OK + b"Content-Length: 4, 4\r\n\r\nfine", curl=False),
    "an empty length": Raw(OK + b"Content-Length:\r\n\r\nfine", curl=False),
    "a length with a sign": Raw(OK + b"Content-Length: +4\r\n\r\nfine"),
    "a length with a unit": Raw(OK + b"Content-Length: 4 bytes\r\n\r\nfine"),
    "a hexadecimal length": Raw(OK + b"Content-Length: 0x4\r\n\r\nfine"),
    "a length of 40 digits": Raw(OK + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nfine"),
    "a length with zeros": Raw(OK + b"Content-Length: 0004\r\n\r\nfine"),
    "blanks before the colon": Raw(OK + b"Content-Length : 4\r\nX\t: y\r\n\r\nfine"),
    "blanks behind the length": Raw(OK + b"Content-Length: 4 \t\r\n\r\nfine"),
    "no blank behind the colon": Raw(OK + b"Content-Length:4\r\n\r\nfine"),
    "a line without a colon": Raw(OK + b"no colon\r\nContent-Length: 4\r\n\r\nfine", curl=False),
    "a name with blanks": Raw(OK + b"X and Y: z\r\nContent-Length: 4\r\n\r\nfine"),
    "an empty name": Raw(OK + b": z\r\nContent-Length: 4\r\n\r\nfine"),
    "a value that is continued": Raw(OK + b"X: a\r\n\tb\r\nContent-Length: 4\r\n\r\nfine"),
    "a length that is continued": Raw(OK + b"Content-Length:\r\n 4\r\n\r\nfine", curl=False),
    "a continuation that looks like a field": Raw(
        OK + b"X: a\r\n Content-Length: 9\r\nContent-Length: 4\r\n\r\nfine"
    ),
    "bytes above ASCII": Raw("HTTP/1.1 200 Schön\r\nX: ü\r\n\r\nfine".encode("latin-1")),
    "NUL in the phrase": Raw(b"HTTP/1.1 200 O\0K\r\n\r\nfine", curl=False),
    # a body where none belongs
    "HEAD with a body": Raw(OK + b"Content-Length: 4\r\n\r\nfine", method="HEAD"),
    "HEAD with chunks": Raw(CHUNKED + PAGE, method="HEAD"),
    "HEAD with impossible lengths": Raw(
        OK + b"Content-Length: 4\r\nContent-Length: x\r\n\r\n", method="HEAD", curl=False
    ),
    "204 with a body": Raw(b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nfine", 204),
    "204 with LF alone and a body": Raw(b"HTTP/1.1 204 No Content\nX: y\n\nfine", 204),
    "304 with a body": Raw(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nfine", 304),
    "more than its length": Raw(OK + b"Content-Length: 2\r\n\r\nfine"),
    "another answer behind it": Raw((OK + b"Content-Length: 4\r\n\r\nfine") * 2, 200),
    **{f"a head of {n} bytes": Raw(_long_head(n)) for n in range(4095, 4101)},
    # before the answer
    "hints": Raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + OK + b"\r\n"),
    "hints with LF alone": Raw(b"HTTP/1.1 103 Early Hints\nLink: </a>\n\n" + OK + b"\r\n"),
    "go on": Raw(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\nfine"),
    "empty lines": Raw(b"\r\n\n\r\n" + OK + b"Content-Length: 4\r\n\r\nfine", curl=False),
    # long ones
    "a line of 8.5 kB": Raw(
        OK + b"Content-Security-Policy: " + b"x" * 8500 + b"\r\nContent-Length: 4\r\n\r\nfine"
    ),
    "200 fields": Raw(OK + b"X: y\r\n" * 200 + b"Content-Length: 4\r\n\r\nfine"),
}
"""What browsers show, by name. Bodies are short, so that every place can be cut."""

LONG: dict[str, Raw] = {
    "a line of 64 KiB": Raw(
        OK + b"X: " + b"x" * (65_536 - 3) + b"\r\nContent-Length: 4\r\n\r\nfine"
    ),
    "1000 fields": Raw(OK + b"X: yyyyyyyyyyy\r\n" * 999 + b"Content-Length: 4\r\n\r\nfine"),
    "a head of 200 kB": Raw(
        OK + (b"X: " + b"x" * 50_000 + b"\r\n") * 4 + b"Content-Length: 4\r\n\r\nfine"
    ),
    "a head of 250 kB and a page": Raw(
        OK + (b"X: " + b"x" * 50_000 + b"\r\n") * 5 + b"\r\n" + b"x" * 100_000
    ),
    "a page of 200 kB": Raw(OK + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000),
    "a page of 200 kB in chunks": Raw(CHUNKED + (b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 200 + PAGE),
}
"""Such that cannot be cut everywhere. (curl takes heads up to 300 kB and lines up to 100 kB.)"""

REFUSED: dict[str, bytes] = {
    "another protocol": b"220 mail.example ESMTP\r\n",
    "HTTP/0.9": b"<html>fine</html>\n",
    "HTTP/9.9.9": b"HTTP/9.9.9 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 99 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 1000 OK\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 OK 200\r\n\r\n",
    "NUL in a name": OK + b"X\0: y\r\n\r\n",
    "NUL in a value": OK + b"X: y\0\r\n\r\n",
    "a negative length": OK + b"Content-Length: -4\r\n\r\nfine",
    "a length that is no number": OK + b"Content-Length: four\r\n\r\nfine",
    "two lengths": OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nfine",
    "two lengths in one line": OK + b"Content-Length: 4, 5\r\n\r\nfine",
    "a chunk size that is no number": CHUNKED + b"zz\r\nfine\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-4\r\nfine\r\n0\r\n\r\n",
    "a chunk size with 0x": CHUNKED + b"0x4\r\nfine\r\n0\r\n\r\n",
    "a chunk size of 17 digits": CHUNKED + b"f" * 17 + b"\r\nfine",
    "no chunk size": CHUNKED + b"\r\nfine\r\n0\r\n\r\n",
    "a chunk longer than said": CHUNKED + b"2\r\nfine\r\n0\r\n\r\n",
    "a line of more than 64 KiB": OK + b"X: " + b"x" * (65_537 - 3) + b"\r\n\r\n",
    "1001 fields": OK + b"X: y\r\n" * 1001 + b"\r\n",
    "101 hints": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 101 + OK + b"\r\n",
    "101 empty lines": b"\n" * 101 + OK + b"\r\n",
    "a head of 300 kB": OK + (b"X: " + b"x" * 50_000 + b"\r\n") * 6 + b"\r\n",
}
"""What is no answer: ``invalid_response``."""
