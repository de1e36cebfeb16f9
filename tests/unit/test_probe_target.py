"""The parts of a URL that a request needs, and the short way to them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.probes.http.target import Target, of_url, parse, plain

HOSTS = st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True)
PORTS = st.sampled_from(["", ":", ":0", ":1", ":80", ":443", ":8080", ":08080", ":65535", ":65536"])
PATHS = st.from_regex(r"(/[A-Za-z0-9._~%:@!$&'()*+,;=/-]{0,12}(\?[a-z0-9=&/?%+-]{0,8})?)?(#x)?")
URLS = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https"]), HOSTS, PORTS, PATHS)


@given(URLS)
@example("http://shop.example")
@example("http://shop.example/a/../b")
@example("https://shop.example:80/x?y=1&z")
@example("http://127.0.0.1:65535/")
def test_the_fast_path_agrees_with_the_slow_one_or_abstains(url):
    short = plain(url)
    if short is not None:
        assert short == of_url(parse(url))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://shop.example", Target("http", "shop.example", 80, "shop.example", "/", "")),
        ("https://shop.example/a?b=c",
         Target("https", "shop.example", 443, "shop.example", "/a?b=c", "")),
        ("http://10.0.0.1:8080/",
         Target("http", "10.0.0.1", 8080, "10.0.0.1:8080", "/", "")),
    ],
)  # fmt: skip
def test_normal_urls_take_the_fast_path(url, expected):
    found = plain(url)
    assert found is not None
    assert (found.scheme, found.host, found.port) == (
        expected.scheme,
        expected.host,
        expected.port,
    )
    assert (found.authority, found.path) == (expected.authority, expected.path)


@pytest.mark.parametrize(
    "url",
    ["http://me:pw@shop.example/", "http://[::1]/", "http://SHOP.example/", "http://shop.example/#a",
     "http://shop.example/grün", "http://shop.example:70000/", "http://shop.example./",
     "http://grün.example/", "http://shop.example/\r\nX: y", "ftp://shop.example/"],
)  # fmt: skip
def test_unusual_urls_take_the_slow_path(url):
    assert plain(url) is None
