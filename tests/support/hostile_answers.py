"""Websites whose answers are slow, endless, or not HTTP."""

from __future__ import annotations

from monitor.domain.outcome import Reason
from support.hostile_behaviours import (
    CHUNKED,
    EVENTS,
    FINE,
    OK,
    drips,
    floods_first,
    gzip_bomb,
    reads_nothing,
    resets_at_once,
    sends_then_resets,
    speaks_first,
)
from support.hostile_case import Case, down, up
from support.targets import hangs_up, repeats, sends, sends_and_stays

_BLOCK = b"x" * 65_536
_INVALID, _LATE = Reason.INVALID_RESPONSE, Reason.RESPONSE_TIMEOUT
_RESET, _STATUS = Reason.CONNECTION_RESET, Reason.HTTP_STATUS
_WAITING, _READING = "waiting for the response", "reading the response"


def _length(value: str, body: bytes = b"fine") -> bytes:
    return OK + f"Content-Length: {value}\r\n\r\n".encode() + body


def _lengths(*values: str) -> bytes:
    return OK + b"".join(f"Content-Length: {v}\r\n".encode() for v in values) + b"\r\nfine"


SLOW = [
    down("never-answers", _LATE, _WAITING, behaviour=sends_and_stays(b"")),
    down("reads-nothing", _LATE, _WAITING, behaviour=reads_nothing),
    down("drips-head", _LATE, _READING, wait_s=3, behaviour=drips(FINE)),
    down(
        "drips-body",
        _LATE,
        _READING,
        status=200,
        wait_s=3,
        behaviour=repeats(_length("1000", b""), b"x", 1.0),
    ),
    down(
        "drips-chunks",
        _LATE,
        _READING,
        status=200,
        wait_s=3,
        behaviour=repeats(CHUNKED, b"1\r\nx\r\n", 1.0),
    ),
    down("headers-dripping-for-ever", _LATE, _READING, behaviour=repeats(OK, b"X: y\r\n", 0.05)),
    down(
        "interim-answers-dripping-for-ever",
        _LATE,
        _READING,
        behaviour=repeats(b"", b"HTTP/1.1 102 Processing\r\n\r\n", 0.05),
    ),
    down(
        "ten-gigabytes-that-do-not-come",
        _LATE,
        _READING,
        status=200,
        behaviour=sends_and_stays(_length("10000000000")),
    ),
    down(
        "no-end-of-body",
        _LATE,
        _READING,
        status=200,
        behaviour=sends_and_stays(OK + b"\r\nfine"),
    ),
    down("interim-and-silence", _LATE, behaviour=sends_and_stays(b"HTTP/1.1 100 Go on\r\n\r\n")),
]

ENDLESS = [
    down("headers-for-ever", _INVALID, behaviour=repeats(OK, b"X-More: of it\r\n" * 500)),
    down("one-header-line-for-ever", _INVALID, behaviour=repeats(OK + b"X: ", _BLOCK)),
    down("one-header-name-for-ever", _INVALID, behaviour=repeats(OK, _BLOCK)),
    down("status-line-for-ever", _INVALID, behaviour=repeats(b"HTTP/1.1 200 ", _BLOCK)),
    down("empty-lines-for-ever", _INVALID, behaviour=repeats(b"", b"\r\n" * 4096)),
    down(
        "interim-answers-for-ever",
        _INVALID,
        behaviour=repeats(b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 200),
    ),
    down("line-feeds-for-ever", _INVALID, behaviour=repeats(b"", b"\n" * 8192)),
    down(
        "interim-answers-in-line-feeds-for-ever",
        _INVALID,
        behaviour=repeats(b"", b"HTTP/1.1 103 E\nLink: <a>\n\n" * 400),
    ),
    down(
        "chunk-extension-for-ever",
        _INVALID,
        status=None,
        behaviour=repeats(CHUNKED + b"5;a=", _BLOCK),
    ),
    down("chunk-size-for-ever", _INVALID, status=None, behaviour=repeats(CHUNKED, b"0" * 4096)),
    down(
        "trailers-for-ever",
        _INVALID,
        status=None,
        behaviour=repeats(CHUNKED + b"0\r\n", b"X: y\r\n" * 500),
    ),
    up("body-for-ever", behaviour=repeats(OK + b"\r\n", _BLOCK)),
    up("chunks-for-ever", behaviour=repeats(CHUNKED, b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n")),
    up(
        "chunks-of-one-byte-for-ever",
        behaviour=repeats(CHUNKED, b"1\r\nx\r\n" * 5000),
    ),
    up("ten-gigabytes", behaviour=repeats(_length("10000000000", b""), _BLOCK)),
    up("gzip-bomb", behaviour=gzip_bomb(16)),
    up("events-for-ever", behaviour=repeats(EVENTS, b"data: x\n\n" * 500)),
    up("events-dripping", behaviour=repeats(EVENTS, b"data: x\n\n", 0.1), patience_s=2),
    up("events-and-silence", behaviour=sends_and_stays(EVENTS), patience_s=2),
    down("noise-before-the-request", _INVALID, behaviour=floods_first(b"\x00\xff" * 2048)),
]

FRAMING = [
    down(
        "chunk-size-no-number",
        _INVALID,
        status=200,
        behaviour=sends_and_stays(CHUNKED + b"zz\r\nfine\r\n"),
    ),
    down(
        "chunk-size-negative",
        _INVALID,
        status=200,
        behaviour=sends_and_stays(CHUNKED + b"-4\r\nfine\r\n"),
    ),
    down(
        "chunk-size-huge",
        _INVALID,
        status=200,
        behaviour=sends_and_stays(CHUNKED + b"f" * 17 + b"\r\nfine"),
    ),
    down(
        "chunk-size-with-0x",
        _INVALID,
        status=200,
        behaviour=sends_and_stays(CHUNKED + b"0x4\r\nfine\r\n"),
    ),
    down(
        "chunk-longer-than-said",
        _INVALID,
        status=200,
        behaviour=sends_and_stays(CHUNKED + b"2\r\nfine\r\n"),
    ),
    down(
        "chunk-size-missing",
        _INVALID,
        status=200,
        behaviour=sends_and_stays(CHUNKED + b"\r\nfine\r\n"),
    ),
    down("chunk-cut-off", _RESET, status=200, behaviour=sends(CHUNKED + b"5\r\nfi")),
    down("no-last-chunk", _RESET, status=200, behaviour=sends(CHUNKED + b"4\r\nfine\r\n")),
    down("length-negative", _INVALID, behaviour=sends_and_stays(_length("-4"))),
    up("length-huge", behaviour=sends(_length("9" * 40))),
    up("length-of-60-kB", behaviour=sends(_length("9" * 60_000))),
    up("length-with-sign", behaviour=sends_and_stays(_length("+4"))),
    up("length-hexadecimal", behaviour=sends_and_stays(_length("0x4"))),
    down("length-no-number", _INVALID, behaviour=sends_and_stays(_length("four"))),
    up("length-fraction", behaviour=sends_and_stays(_length("4.0"))),
    down("lengths-contradict", _INVALID, behaviour=sends_and_stays(_lengths("4", "5"))),
    up("lengths-twice", behaviour=sends_and_stays(_lengths("4", "4"))),
    down("lengths-in-one-line", _INVALID, behaviour=sends_and_stays(_lengths("4, 5"))),
    up(
        "length-and-chunks",
        behaviour=sends_and_stays(
            OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
    ),
    down("length-too-long", _RESET, status=200, behaviour=sends(_length("5"))),
    up("length-too-short", behaviour=sends_and_stays(_length("2"))),
    up(
        "chunks-of-invalid-utf-8",
        behaviour=sends(CHUNKED + b"3\r\n\xff\xfe\xc0\r\n" * 300 + b"0\r\n\r\n"),
    ),
]

NOT_HTTP = [
    down("http-0.9", _INVALID, behaviour=sends(b"<html>fine</html>\n")),
    down(
        "http-2-preface", _INVALID, behaviour=sends_and_stays(b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64")
    ),
    down(
        "http-2-preface-of-a-client",
        _INVALID,
        behaviour=speaks_first(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ),
    down("version-9", _INVALID, behaviour=sends(b"HTTP/9.9.9 200 OK\r\n\r\n")),
    up("nul-in-reason-phrase", behaviour=sends(b"HTTP/1.1 200 O\0K\r\n\r\n")),
    down("nul-in-name", _INVALID, behaviour=sends_and_stays(OK + b"X\0: y\r\n\r\n")),
    down("nul-in-value", _INVALID, behaviour=sends_and_stays(OK + b"X: \0\r\n\r\n")),
    down("nuls", _INVALID, behaviour=sends_and_stays(bytes(4096))),
    up("header-without-colon", behaviour=sends(OK + b"colon\r\n\r\n")),
    up("1000-headers", behaviour=sends(OK + b"X: y\r\n" * 1000 + b"\r\n")),
    down("1001-headers", _INVALID, behaviour=sends_and_stays(OK + b"X: y\r\n" * 1001 + b"\r\n")),
    up("header-of-60-kB", behaviour=sends(OK + b"X: " + b"y" * 60_000 + b"\r\n\r\n")),
    up(
        "head-of-continued-lines",
        behaviour=sends(OK + b"Content-Length:\r\n" + b" \r\n" * 990 + b" 4\r\n\r\nfine"),
    ),
    up(
        "lengths-by-the-thousand",
        behaviour=sends(OK + b"Content-Length: " + b"4," * 30_000 + b"4\r\n\r\nfine"),
    ),
    down("closes-at-accept", _RESET, behaviour=hangs_up),
    down("resets-at-accept", _RESET, behaviour=resets_at_once),
    down("resets-in-head", _RESET, behaviour=sends_then_resets(OK + b"Content-Le")),
    down("resets-in-body", _RESET, status=200, behaviour=sends_then_resets(_length("9"))),
    down("resets-in-chunk", _RESET, status=200, behaviour=sends_then_resets(CHUNKED + b"9\r\nf")),
    down("resets-after-interim", _RESET, behaviour=sends_then_resets(b"HTTP/1.1 100 Go\r\n\r\n")),
    up("answers-before-the-request", behaviour=speaks_first(FINE)),
    up(
        "answers-twice",
        behaviour=sends_and_stays(FINE + FINE.replace(b"200", b"500")),
    ),
    up("hints-and-answer", behaviour=sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20 + FINE)),
    down(
        "408-before-the-request",
        _STATUS,
        "HTTP 408",
        status=408,
        behaviour=speaks_first(FINE.replace(b"200", b"408")),
    ),
]


def _status(code: str) -> bytes:
    return f"HTTP/1.1 {code} Whatever\r\nContent-Length: 4\r\n\r\nfine".encode()


STATUSES = [
    down(
        "status-101",
        _STATUS,
        "HTTP 101",
        status=101,
        behaviour=sends_and_stays(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
        ),
    ),
    down("status-0", _INVALID, behaviour=sends_and_stays(_status("0"))),
    down(
        "status-000",
        _STATUS,
        "HTTP 0",
        behaviour=sends_and_stays(_status("000")),
    ),
    down(
        "status-099",
        _STATUS,
        "HTTP 99",
        status=99,
        behaviour=sends_and_stays(_status("099")),
    ),
    down("status-99", _INVALID, behaviour=sends_and_stays(_status("99"))),
    down("status-600", _STATUS, "HTTP 600", status=600, behaviour=sends_and_stays(_status("600"))),
    down("status-999", _STATUS, "HTTP 999", status=999, behaviour=sends_and_stays(_status("999"))),
    down("status-1000", _INVALID, behaviour=sends_and_stays(_status("1000"))),
    down("status-negative", _INVALID, behaviour=sends_and_stays(_status("-200"))),
    down("status-text", _INVALID, behaviour=sends_and_stays(_status("OK"))),
    down("status-missing", _INVALID, behaviour=sends_and_stays(b"HTTP/1.1\r\n\r\n")),
    up(
        "204-with-a-body",
        status=204,
        behaviour=sends_and_stays(_length("10").replace(b"200", b"204")),
    ),
    up(
        "304-with-a-body",
        status=304,
        behaviour=sends_and_stays(_length("10").replace(b"200", b"304")),
    ),
]

ANSWERS: list[Case] = [*SLOW, *ENDLESS, *FRAMING, *NOT_HTTP, *STATUSES]
