"""What a redirect makes of a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.outcome import Reason
from monitor.domain.website import CheckOptions
from monitor.probes.reasons import CheckFailed
from monitor.probes.redirects import Request, first_request, next_request
from monitor.probes.target import of_url, parse

BASE = "https://shop.example/a/b?c=d"
HEADERS = {"Authorization": "s", "Content-Type": "text/plain", "accept": "x", "User-Agent": "u"}


def request(method="GET", body=None):
    return Request(method, of_url(parse(BASE)), HEADERS, body)


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


@given(st.text(max_size=2100))
def test_whatever_a_location_holds_it_is_followed_or_refused(location):
    try:
        following = next_request(request(), 302, location)
    except CheckFailed as failed:
        assert failed.finding.reason is Reason.INVALID_REDIRECT  # noqa: PT017 either is right
    else:
        assert following.target.scheme in ("http", "https")
        assert following.target.host
        assert not set(following.target.path) & set("\r\n \t")


@pytest.mark.parametrize(
    "location", [None, "", "\udcff" * 3000, "http://[::1", "mailto:a@b", "http:///x", "https:x"]
)
def test_what_leads_nowhere_is_refused(location):
    with pytest.raises(CheckFailed) as raised:
        next_request(request(), 302, location)
    assert raised.value.finding.reason is Reason.INVALID_REDIRECT


def test_a_header_of_the_owner_wins_over_credentials_in_the_url():
    options = CheckOptions(
        url="https://me:pw@shop.example/", request_headers={"authorization": "Bearer t"}
    )
    first = first_request(options)

    assert first.headers == {"authorization": "Bearer t"}
    assert first.target.url == "https://shop.example/"
