"""What a redirect makes of a request."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.domain.outcome import Reason
from monitor.probes.http import redirects
from monitor.probes.http import request as request_head
from monitor.probes.http.redirects import (
    MAX_LOCATION_BYTES,
    MAX_URL_CHARS,
    REDIRECT_STATUSES,
    Request,
    first_request,
    with_cookies,
)
from monitor.probes.http.target import of_url, parse
from monitor.probes.net.reasons import CheckFailed
from monitor.resources import formats
from monitor.resources.secrets import SecretHeaders
from support.factories import check_options

BASE = "https://shop.example/a/b?c=d"
HEADERS = {"Authorization": "s", "Content-Type": "text/plain", "accept": "x", "User-Agent": "u"}


def request(method="GET", body=None, base=BASE):
    return Request(method, of_url(parse(base)), HEADERS, body)


def next_request(before, status, location):
    """What follows a redirect whose Location is this text, in UTF-8, or these bytes."""
    if isinstance(location, str):
        location = location.encode(errors="surrogatepass")
    return redirects.next_request(before, status, location)


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("GET", 301, "GET"),
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("PUT", 301, "PUT"),
        ("PUT", 302, "PUT"),
        ("POST", 303, "GET"),
        ("DELETE", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("HEAD", 301, "HEAD"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
    ],
)
def test_the_method_changes_as_the_rfc_says_and_the_body_with_it(method, status, expected):
    following = next_request(request(method, b"x"), status, "/next")

    assert following.method == expected
    kept = expected == method
    assert following.body == (b"x" if kept else None)
    assert ("Content-Type" in following.headers) == kept
    assert following.headers["Authorization"] == "s"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/x", "https://shop.example/x"),
        ("x", "https://shop.example/a/x"),
        ("?y=1", "https://shop.example/a/b?y=1"),
        ("//other.example/x", "https://other.example/x"),
        ("https://shop.example:443/x", "https://shop.example/x"),
        ("/a%2Fb?q=%20", "https://shop.example/a%2Fb?q=%20"),
        ("/x#part", "https://shop.example/x"),
        ("/grün und gelb", "https://shop.example/gr%C3%BCn%20und%20gelb"),
        ("https://me:secret@shop.example/x", "https://shop.example/x"),
        # bytes above ASCII, as they came
        (b"/synspr\xf8ve", "https://shop.example/synspr%F8ve"),
        ("/synsprøve?q=ø", "https://shop.example/synspr%C3%B8ve?q=%C3%B8"),
        (b"?q=\xf8", "https://shop.example/a/b?q=%F8"),
        (b"\xf8", "https://shop.example/a/%F8"),
        (b"//shop.example/\xf8%F8", "https://shop.example/%F8%F8"),
        ("https://b\u00fccher.example/\u00fc", "https://xn--bcher-kva.example/%C3%BC"),
        ("/x y\t<>", "https://shop.example/x%20y%09%3C%3E"),
        # relative ones (RFC 3986, section 5.4)
        ("..", "https://shop.example/"),
        ("../x", "https://shop.example/x"),
        ("../../x", "https://shop.example/x"),
        ("./x/./y/../z/.", "https://shop.example/a/x/z/"),
        ("/./x/..", "https://shop.example/"),
        ("//shop.example/x/../y", "https://shop.example/y"),
        ("x/?y/../z", "https://shop.example/a/x/?y/../z"),
        ("#part", "https://shop.example/a/b?c=d"),
        ("HTTP://shop.example", "http://shop.example/"),
        ("https://shop.example?x", "https://shop.example/?x"),
        ("/100%", "https://shop.example/100%"),
    ],
)
def test_a_location_is_resolved_against_the_request(location, expected):
    assert next_request(request(), 302, location).target.url == expected


@pytest.mark.parametrize(
    ("location", "same"),
    [
        ("https://shop.example/x", True),
        ("https://SHOP.example/x", True),
        ("https://shop.example:443/x", True),
        ("http://shop.example/x", False),
        ("https://shop.example:444/x", False),
        ("https://www.shop.example/x", False),
        ("//evil.example/", False),
    ],
)
def test_another_origin_gets_only_what_is_safe_anywhere(location, same):
    following = next_request(request("POST", b"secret"), 307, location)

    assert following.method == "POST"
    assert following.headers == (HEADERS if same else {"accept": "x", "User-Agent": "u"})
    assert following.body == (b"secret" if same else None)


@given(
    st.sampled_from(["User-Agent", "Accept", "accept-language", "Accept-Token", "Accept-Patch",
                     "Pragma", "Cache-Control", "Cookie", "X-Key", "HOST", "content-type",
                     "Content-Language"])
    | st.from_regex(r"[A-Za-z-]{1,20}", fullmatch=True),
    st.booleans(),
)  # fmt: skip
def test_what_may_be_shown_may_travel_and_nothing_else(name, with_body):
    sent = Request("POST", of_url(parse(BASE)), {name: "v"}, b"x" if with_body else None)
    # when
    travelled = bool(next_request(sent, 307, "https://other.example/").headers)
    # then
    shown = SecretHeaders().masked({name: "v"}) == {name: "v"}
    stays = name.lower() in {"host", "content-type"}  # with its origin, with its body
    assert travelled == (shown and not stays)


@pytest.mark.parametrize(
    ("location", "host"), [("/next", "shop.internal"), ("https://other.example/", None)]
)
def test_host_stays_with_its_origin(location, host):
    sent = Request("GET", of_url(parse(BASE)), {"Host": "shop.internal"})

    assert next_request(sent, 302, location).headers.get("Host") == host


@given(st.text(max_size=2100) | st.binary(max_size=200))
def test_any_location_is_followed_or_refused(location):
    try:
        following = next_request(request(), 302, location)
    except CheckFailed as failed:
        assert failed.finding.reason is Reason.INVALID_REDIRECT  # noqa: PT017 either is right
    else:
        assert following.target.scheme in ("http", "https")
        assert following.target.host
        assert not set(following.target.path) & set("\r\n \t")


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/" + "x" * MAX_LOCATION_BYTES,
        b"\xff" * (MAX_URL_CHARS // 3),
        b"http://\xff/",
        f"http://{'x' * 2000}/",
        "http://[::1",
        "mailto:a@b",
        "http:///x",
        "http://:80/",
        "https:x",
        "x:y",
    ],
)
def test_unusable_locations_are_refused(location):
    with pytest.raises(CheckFailed) as raised:
        next_request(request(), 302, location)
    assert raised.value.finding.reason is Reason.INVALID_REDIRECT


def test_the_owners_header_replaces_credentials_in_the_url():
    options = check_options(
        "https://me:pw@shop.example/", request_headers={"authorization": "Bearer t"}
    )
    first = first_request(options)

    assert first.headers == {"authorization": "Bearer t"}
    assert first.target.url == "https://shop.example/"


HOSTS = st.sampled_from(
    ["a.example", "127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]",
     "\uff11\uff12\uff17.0.0.1",
     "grün.example", "a.example.", "xn--a", "", "a..b", "%31", "a.example:0", "a:99999", "u:p@h"]
)  # fmt: skip
TARGETS = st.text(max_size=40) | st.builds(
    "{}{}{}{}".format,
    st.sampled_from(
        ["http://", "https://", "HTTP://", "//", "javascript:", "file://", "http:", ""]
    ),
    HOSTS,
    st.sampled_from(["", "/", "?", "#", "/..", "\\", "/\r\nX: y", "/\x00", "/\ud800", "/ü"]),
    st.text(max_size=15),
)


@example("http://a.example\x00b/", 301, "GET")
@example("http://a.example\r\nX: y/", 307, "POST")
@given(TARGETS, st.sampled_from(sorted(REDIRECT_STATUSES)), st.sampled_from(["GET", "POST"]))
def test_a_redirect_is_one_request_or_refused(location, status, method):
    # when
    try:
        following = next_request(request(method, b"x"), status, location)
    except CheckFailed as failed:
        following, finding = None, failed.finding
    # then
    if following is None:
        assert finding.reason is Reason.INVALID_REDIRECT
        assert finding.evidence.isprintable()
        return
    to = following.target
    assert to.scheme in {"http", "https"}
    assert to.host
    assert 0 < to.port < 65_536
    assert "@" not in to.authority
    if (to.scheme, to.host, to.port) != ("https", "shop.example", 443):
        assert following.body is None
        assert {n.lower() for n in following.headers} <= {"accept", "user-agent"}
    _is_one_request(following)


@example("http://\u00b8")
@given(TARGETS)
def test_an_accepted_url_is_one_request(url):
    # when
    taken = _taken(url)
    # then
    if taken is not None:
        assert urlsplit(taken).hostname
        _is_one_request(first_request(check_options(taken, check_frequency=60, request_timeout=10)))


def test_a_host_that_cannot_be_encoded_is_down():
    with pytest.raises(CheckFailed) as failed:
        first_request(check_options("http://\u00b8", check_frequency=60, request_timeout=10))

    assert failed.value.finding.reason is Reason.DNS_ERROR


def _taken(url):
    try:
        return formats.url(url)
    except formats.InvalidValue:
        return None


def _is_one_request(sent):
    """Its head is one request line and the headers that are meant, and nothing smuggled."""
    head, _, body = request_head.encode(sent).partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert re.fullmatch(rb"[A-Z]+ [\x21-\x7e]+ HTTP/1\.1", first)
    names = [line.partition(b": ")[0].decode() for line in headers]
    ours = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Content-Length"}
    assert {n.lower() for n in names} <= {n.lower() for n in ours | {"Connection"} | set(HEADERS)}
    assert len(names) == len({n.lower() for n in names})
    assert body == (sent.body or b"")


@pytest.mark.parametrize("length", [2049, 8000, MAX_LOCATION_BYTES])
def test_a_long_location_is_followed(length):
    location = "/".ljust(length, "x")

    assert next_request(request(), 302, location).target.path == location


def cookies_sent(lines, location, headers=None, base=BASE):
    """The Cookie header of what follows a redirect that sets these."""
    first = first_request(check_options(base, request_headers=headers or {}))
    following = next_request(with_cookies(first, lines, 0.0), 302, location)
    head, _, _ = request_head.encode(following).partition(b"\r\n\r\n")
    found = [line for line in head.split(b"\r\n") if line.lower().startswith(b"cookie:")]
    assert len(found) <= 1
    return found[0].partition(b": ")[2].decode() if found else None


@pytest.mark.parametrize(
    ("location", "headers", "expected"),
    [
        ("/x", {}, "seen=1"),
        ("/x", {"cookie": "mine=1"}, "mine=1; seen=1"),
        ("/x", {"Cookie": "mine=1; seen=0"}, "mine=1; seen=1"),
        ("https://other.example/", {"Cookie": "mine=1"}, None),
        ("https://www.shop.example/", {"Cookie": "mine=1"}, None),
        ("https://shop.example:444/", {"Cookie": "mine=1"}, "seen=1"),
    ],
)
def test_a_cookie_goes_where_it_belongs_and_the_owners_only_to_its_origin(
    location, headers, expected
):
    assert cookies_sent([b"seen=1; Path=/"], location, headers) == expected


def test_a_redirect_without_cookies_sends_what_the_owner_does():
    assert cookies_sent([], "/x") is None
    assert cookies_sent([], "/x", {"Cookie": "a=1;b=2"}) == "a=1;b=2"


def test_a_website_under_another_host_name_gets_its_cookies_back():
    lines = [b"seen=1; Domain=shop.example"]

    assert cookies_sent(lines, "/x", {"Host": "shop.example:80"}, "http://192.0.2.1/") == "seen=1"


def test_a_cookie_of_bytes_above_ascii_is_sent_as_it_came():
    set_first = with_cookies(request(), [b"a=\xff; Path=/", "b=\u00fc".encode()], 0.0)

    sent = request_head.encode(next_request(set_first, 302, "/a/"))
    assert b"\r\nCookie: b=\xc3\xbc; a=\xff\r\n" in sent
