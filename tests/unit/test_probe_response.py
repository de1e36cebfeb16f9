"""What counts as a response, however its bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.domain.outcome import Reason
from monitor.probes.http.response import MAX_BODY_BYTES, MAX_READ_BYTES, Response
from monitor.probes.net.reasons import CheckFailed
from support.raw_answers import ACCEPTED, CHUNKED, LONG, OK, REFUSED


def read(data, cuts=(), *, method="GET"):
    """Status and end of an answer in pieces: "complete", "with the connection" where its end is
    that of the answer, "cut off" or "malformed"; and the evidence."""
    response = Response(bodiless=method == "HEAD")
    status = None
    try:
        for begin, end in pairwise([0, *sorted(cuts), len(data)]):
            if response.complete:
                break
            response.feed(data[begin:end])
    except CheckFailed as failed:
        assert failed.finding.reason is Reason.INVALID_RESPONSE  # noqa: PT017 the right way to fail
        return response.head and response.head.status, "malformed", failed.finding.evidence
    status = response.head and response.head.status
    if response.complete:
        return status, "complete", ""
    return status, "with the connection" if response.ends_with_connection else "cut off", ""


@pytest.mark.parametrize("name", [*ACCEPTED, *LONG])
def test_what_browsers_take_is_a_response(name):
    raw = (ACCEPTED | LONG)[name]

    status, end, evidence = read(raw.data, method=raw.method)
    assert status == raw.status
    assert end in {"complete", "with the connection"}, evidence


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_response_is_refused(name):
    assert read(REFUSED[name])[1] == "malformed"


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_response_may_be_cut_at_every_byte(name):
    raw = ACCEPTED[name]
    whole = read(raw.data, method=raw.method)

    for cut in range(1, len(raw.data)):
        assert read(raw.data, [cut], method=raw.method) == whole, cut
    assert read(raw.data, range(1, len(raw.data)), method=raw.method) == whole


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_however_it_is_cut(name):
    data = REFUSED[name]
    whole = read(data)

    for cut in range(1, len(data), max(1, len(data) // 300)):
        assert read(data, [cut]) == whole, cut


PARTS = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 103 Hints", b"HTTP/1.1 302 F", b"HTTP/1.0 ",
     b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b":", b" ", b"\t", b"\0", b"\xff", b"x",
     b"Content-Length: 4", b"Content-Length: 5", b"content-length : 70000", b"Content-Length: -1",
     b"Transfer-Encoding: chunked", b"transfer-encoding: identity", b"Location: /", b"4\r\nfine",
     b"0\r\n", b"5", b"10000\r\n", b";a=b", b"fine", b"x" * 1024, b"x" * 5000, b"1\r\nx\r\n" * 900,
     b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n", b"X: " + b"y" * 70_000, b"X: y\r\n" * 1001]
)  # fmt: skip
ANYTHING = st.lists(PARTS, max_size=14).map(b"".join)
BEGUN = st.lists(PARTS, max_size=10).map(lambda parts: OK + b"".join(parts))
IN_CHUNKS = st.lists(PARTS, max_size=12).map(lambda parts: CHUNKED + b"".join(parts))


@settings(max_examples=600)
@given(ANYTHING | BEGUN | IN_CHUNKS, st.data(), st.sampled_from(["GET", "HEAD"]))
@example(CHUNKED + b"1\r\nx\r\n" * 1100 + b";" * 5000 + b"\r\n", None, "GET")
def test_whatever_comes_is_read_the_same_however_it_is_cut(data, draw, method):
    if draw is None:
        cuts = range(1, len(data), 7)
    else:
        place = st.integers(0, len(data))
        cuts = draw.draw(st.lists(place, max_size=12) | st.just(range(1, min(len(data), 3000))))

    assert read(data, cuts, method=method) == read(data, method=method)


def test_a_body_that_is_cut_off_behind_a_long_head_is_not_complete():
    head = OK + (b"X: " + b"x" * 50_000 + b"\r\n") * 4 + b"Content-Length: 60000\r\n\r\n"

    assert read(head + b"x" * 40_000)[1] == "cut off"
    assert read(head + b"x" * 60_000)[1] == "complete"


def test_no_more_is_read_than_the_limits_say():
    until_close, endless_head = Response(), Response()

    until_close.feed(OK + b"\r\n" + b"x" * (MAX_BODY_BYTES - 1))
    assert not until_close.complete
    until_close.feed(b"x")
    assert until_close.complete

    endless_head.feed(OK + b"X: y" * ((MAX_READ_BYTES - len(OK)) // 4))
    with pytest.raises(CheckFailed):
        endless_head.feed(b"x" * 20)


@pytest.mark.parametrize("data", [b"2", b"220 mail", b"\x16", b"HTTX", b"\rH", b"SSH-2.0", b"\0"])
def test_another_protocol_is_refused_without_waiting_for_more(data):
    assert read(data)[1] == "malformed"


@pytest.mark.parametrize(
    "data", [b"", b"H", b"http/1", b"\r", b"\r\nHT", b"\n\n", OK, OK + b"X: y"]
)
def test_the_begin_of_a_head_is_waited_on(data):
    assert read(data) == (None, "cut off", "")


@pytest.mark.parametrize(
    ("fields", "endless"),
    [
        (b"Content-Type: text/event-stream\r\n", True),
        (b"content-type:Text/Event-Stream; charset=utf-8\r\n", True),
        (b"Content-Type: multipart/x-mixed-replace;boundary=b\r\n", True),
        (b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n", True),
        (b"Content-Type: text/event-stream\r\nContent-Length: 100\r\n", False),
        (b"Content-Type: text/html\r\n", False),
        (b"Content-Type: text/event-streams\r\n", False),
        (b"X-Content-Type: text/event-stream\r\n", False),
        (b"X: a\r\n Content-Type: text/event-stream\r\n", False),
        (b"", False),
    ],
)
def test_endless_kinds_without_a_length(fields, endless):
    response = Response()
    response.feed(OK + fields + b"\r\n")

    assert response.endless is endless


@pytest.mark.parametrize(
    ("field", "location"),
    [
        (b"Location: /x", b"/x"),
        (b"LOCATION:/x \t", b"/x"),
        (b"Location : /x", b"/x"),
        (b"Location: /a\r\n /b", b"/a /b"),
        (b"Location: /\xf8\r\nLocation: /second", b"/\xf8"),
        (b"X-Location: /x\r\nContent-Location: /y", b""),
        (b"Location:", b""),
    ],
)
def test_where_a_redirect_leads(field, location):
    response = Response(head_only=(302,))
    response.feed(b"HTTP/1.1 302 Found\r\nServer: x\r\n" + field + b"\r\n\r\n")

    assert response.complete
    assert response.head.location() == location


def test_the_lines_of_set_cookie_are_kept_apart():
    response = Response(head_only=(302,))
    response.feed(b"HTTP/1.1 302 F\r\nSet-Cookie: a=1, 2\r\nX: y\r\nset-cookie:b=2; Path=/\r\n\r\n")

    assert list(response.head.set_cookies()) == [b"a=1, 2", b"b=2; Path=/"]
