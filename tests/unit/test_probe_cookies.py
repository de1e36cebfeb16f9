"""Which cookies of a check go where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.probes.http.cookies import MAX_COOKIES, MAX_TOTAL_BYTES, header, updated
from monitor.probes.http.target import of_url, parse

NOW_S = 1_790_000_000
SHOP = "https://shop.example/a/b?c"


def at(url):
    return of_url(parse(url))


def jar(*lines, url=SHOP, alias="", before=()):
    encoded = [line.encode("latin-1") for line in lines]
    return updated(before, encoded, at(url), alias=alias, now_s=NOW_S)


def sent(jar, url=SHOP, own=""):
    return header(jar, own, at(url))


@pytest.mark.parametrize(
    ("line", "url", "goes"),
    [
        # host
        ("a=1", "https://shop.example/a/x", True),
        ("a=1", "https://SHOP.example:8443/a/", True),
        ("a=1", "https://shop.example./a/", True),
        ("a=1", "https://www.shop.example/a/", False),
        ("a=1", "https://example/a/", False),
        ("a=1", "https://evil.example/a/", False),
        ("a=1; Domain=shop.example", "https://www.shop.example/a/", True),
        ("a=1; Domain=.SHOP.example", "https://a.b.shop.example/a/", True),
        ("a=1; Domain=shop.example", "https://evilshop.example/a/", False),
        ("a=1; Domain=", "https://www.shop.example/a/", False),
        ("a=1; Domain=", SHOP, True),
        ("a=1; Domain=b\xfccher.example", "https://shop.example/a/", True),
        ("a=1; Domain=b\xfccher.example", "https://xn--bcher-kva.example/a/", False),
        ("a=1; Domain=evil.example", SHOP, False),
        ("a=1; Domain=evil.example", "https://evil.example/a/", False),
        ("a=1; Domain=www.shop.example", "https://www.shop.example/a/", False),
        ("a=1; Domain=example", "https://evil.example/a/", False),
        ("a=1; Domain=example", SHOP, False),
        ("a=1; Domain=evil.example; Domain=shop.example", "https://x.shop.example/a/", True),
        # path
        ("a=1", "https://shop.example/a/", True),
        ("a=1", "https://shop.example/a", True),
        ("a=1", "https://shop.example/ab", False),
        ("a=1", "https://shop.example/", False),
        ("a=1; Path=/", "https://shop.example/", True),
        ("a=1; Path=/x", "https://shop.example/x?y", True),
        ("a=1; Path=/x", "https://shop.example/x/y", True),
        ("a=1; Path=/x/", "https://shop.example/x/y", True),
        ("a=1; Path=/x/", "https://shop.example/xy", False),
        ("a=1; Path=x", "https://shop.example/a/", True),
        # secure
        ("a=1; Secure", SHOP, True),
        ("a=1; SECURE; Path=/", "http://shop.example/", False),
        ("a=1; Path=/", "http://shop.example/", True),
    ],
)
def test_where_a_cookie_goes(line, url, goes):
    assert sent(jar(line), url) == ("a=1" if goes else "")


def test_a_cookie_that_says_secure_over_http_is_refused():
    assert jar("a=1; Secure", url="http://shop.example/") == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=1", "a=1"),
        (" a = 1 ; HttpOnly; SameSite=Lax", "a=1"),
        ("a=", "a="),
        ("a=b=c", "a=b=c"),
        ('a="x y"', 'a="x y"'),
        ("a", ""),
        ("=1", ""),
        ("", ""),
        ("a=1; Max-Age=60", "a=1"),
        ("a=1; Max-Age=0", ""),
        ("a=1; Max-Age=-1", ""),
        ("a=1; Max-Age=soon", "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""),
        ("a=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT", ""),
        ("a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT", "a=1"),
        ("a=1; Expires=never", "a=1"),
        ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=1"),
        ("a=\x07", ""),
        ("a=1\r\nX: y", ""),
        ("a=1; Path=/\x00", ""),
        ("a=" + "x" * 5000, ""),
        ("a=1" + "; x=y" * 5000, ""),
    ],
)
def test_what_is_a_cookie(line, expected):
    assert sent(jar(line)) == expected


def test_bytes_above_ascii_come_back_as_they_came():
    (cookie,) = jar("a=\xfc\xff")
    assert header((cookie,), "", at(SHOP)).encode(errors="surrogateescape") == b"a=\xfc\xff"


def test_a_later_cookie_replaces_an_earlier_one_of_the_same_place():
    first = jar("a=1", "b=1", "a=1; Path=/")
    then = jar("a=2", before=first)

    assert sent(then) == "a=2; b=1; a=1"
    assert sent(jar("a=; Max-Age=0", before=then)) == "b=1; a=1"


def test_longer_paths_come_first():
    assert sent(jar("a=1; Path=/", "b=1; Path=/a/b", "c=1; Path=/a")) == "b=1; c=1; a=1"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("seen=1", "mine=1; other=2; seen=1"),
        ("mine=2", "other=2; mine=2"),
        ("mine=; Max-Age=0", "other=2"),
        ("mine=2; Path=/elsewhere", "mine=1; other=2"),
    ],
)
def test_what_a_website_sets_joins_or_replaces_what_its_owner_sends(line, expected):
    assert sent(jar(line), own="mine=1; other=2") == expected


@pytest.mark.parametrize(
    ("sender", "domain", "to"),
    [
        ("a.github.io", "github.io", "b.github.io"),
        ("a.github.io", "github.io", "github.io"),
        ("shop.co.uk", "co.uk", "evil.co.uk"),
        ("www.gov.uk", "gov.uk", "evil.gov.uk"),
        ("shop.kawasaki.jp", "kawasaki.jp", "evil.kawasaki.jp"),
        ("shop.example", "example", "evil.example"),
        ("app.corp", "corp", "other.corp"),
        ("10.0.0.1", "0.0.1", "20.0.0.1"),
        ("10.0.0.1", "1", "20.0.0.1"),
    ],
)
def test_hosts_that_may_be_strangers_share_no_cookies(sender, domain, to):
    made = jar(f"a=1; Domain={domain}; Path=/", url=f"https://{sender}/")

    assert sent(made, f"https://{to}/") == ""


def test_a_public_suffix_that_is_a_host_keeps_its_cookie_for_itself():
    made = jar("a=1; Domain=github.io; Path=/", url="https://github.io/")

    assert sent(made, "https://github.io/") == "a=1"
    assert sent(made, "https://evil.github.io/") == ""


HOSTS = st.sampled_from(
    ["shop.example", "www.shop.example", "a.www.shop.example", "login.shop.example", "example",
     "evilshop.example", "other.example", "www.other.example", "10.0.0.1", "0.0.1", "co.uk",
     "shop.co.uk", "evil.co.uk", "github.io", "a.github.io", "b.github.io"]
)  # fmt: skip
ANYBODYS = {"example", "co.uk", "github.io"}


@given(HOSTS, HOSTS, HOSTS)
def test_no_cookie_leaves_its_host_for_one_that_is_not_below_its_domain(sender, domain, to):
    made = jar(f"a=1; Domain={domain}; Path=/", url=f"https://{sender}/")

    if sent(made, f"https://{to}/") and to != sender:
        assert domain not in ANYBODYS
        assert all(host == domain or host.endswith(f".{domain}") for host in (sender, to))


@given(st.text(st.characters(codec="ascii", exclude_characters=";\r\n"), max_size=40))
def test_any_domain_is_compared_or_passed_over(domain):
    for cookie in jar(f"a=1; Domain={domain}"):
        assert cookie.domain in ("", "shop.example")


@pytest.mark.parametrize("website", ["www.shop.example", "app.shop.example", "shop.example"])
def test_the_hosts_of_one_domain_share_them(website):
    # given a sign-on on a host of its own
    made = jar("a=1; Domain=shop.example; Path=/", url="https://login.shop.example/")

    assert sent(made, f"https://{website}/") == "a=1"


def test_a_website_asked_by_address_under_its_name_gets_its_cookies_back_there_alone():
    made = jar("a=1; Domain=shop.example; Path=/", url="https://192.0.2.1/",
               alias="www.shop.example")  # fmt: skip

    assert sent(made, "https://192.0.2.1/") == "a=1"
    assert sent(made, "https://www.shop.example/") == ""


def test_what_is_kept_is_bounded_and_the_latest_stays():
    many = jar(*(f"c{n}=1" for n in range(40)))
    many = jar(*(f"d{n}=1" for n in range(40)), before=many)
    large = jar(*(f"c{n}={'x' * 4000}" for n in range(8)))

    assert len(many) == MAX_COOKIES
    assert many[-1].name == "d39"
    assert sum(cookie.size for cookie in large) <= MAX_TOTAL_BYTES
    assert large[-1].name == "c7"


def test_no_more_of_one_response_is_read_than_is_kept_twice_over():
    assert [c.name for c in jar(*(f"c{n}=1" for n in range(1000)))][-1] == "c49"
    assert [c.name for c in jar(*(f"c{n}={'x' * 4000}" for n in range(50)))][-1] == "c7"


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_whatever_is_set_is_one_line_of_a_request(lines):
    made = updated((), lines, at(SHOP), alias="", now_s=NOW_S)

    line = header(made, "", at(SHOP)).encode(errors="surrogateescape")
    assert not set(line) & set(b"\r\n\0")


@given(st.binary(max_size=40))
def test_any_date_is_read_or_passed_over(date):
    line = b"a=1; Expires=" + date
    assert len(updated((), [line], at(SHOP), alias="", now_s=NOW_S)) <= 1
