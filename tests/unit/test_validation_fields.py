"""What is accepted and what it is kept as; what is refused is in test_api_bad_input.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.errors import InvalidInput
from monitor.resources import formats
from monitor.resources.formats import InvalidValue
from monitor.resources.region import changed_region, new_region
from monitor.resources.website import changed_website, draft, new_website
from monitor.runtime.settings import region_name_ok

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
field_names = st.sampled_from(
    ["url", "name", "regions", "check_frequency", "request_headers", "expected_status_codes",
     "alert_emails", "external_id", "id", "other"]
)  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "HTTPS://EXAMPLE.com",
        "http://localhost:1/",
        "https://example.com.:65535/a/b?c=d&e=%20#f",
        "https://[2001:db8::1]/",
        "https://[::ffff:192.0.2.1]:8443",
        "http://192.0.2.1/",
        "https://bücher.example/ü",
        "https://under_score.example/",
        "https://example.com/" + "a" * 2028,
    ],
)
def test_valid_urls_are_kept_verbatim(url):
    assert formats.url(url) == url


@pytest.mark.parametrize("url", ["http://user:secret@a/", "http://user@a/", "http://@a/"])
def test_a_password_in_a_url_is_pointed_to_its_place(url):
    with pytest.raises(InvalidValue, match="request_headers"):
        formats.url(url)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://Example.com/", "example.com"),
        ("https://example.com:8443/a/b/?q#f", "example.com/a/b"),
        ("http://[::1]/x", "::1/x"),
        ("http://a/" + "b" * 400, "a/" + "b" * 253),
    ],
)
def test_a_name_is_made_of_host_and_path(url, name):
    assert formats.default_name(url) == name


@pytest.mark.parametrize(
    ("sent", "kept", "written"),
    [
        ([200], ((200, 200),), [200]),
        (["200-399"], ((200, 399),), ["200-399"]),
        ([404, 200, 201], ((200, 201), (404, 404)), ["200-201", 404]),
        (["300-310", "200-305", 311, 313], ((200, 311), (313, 313)), ["200-311", 313]),
        (["204-204"], ((204, 204),), [204]),
        ([100, 999], ((100, 100), (999, 999)), [100, 999]),
        (["200", "404", "999"], ((200, 200), (404, 404), (999, 999)), [200, 404, 999]),
        (["2xx"], ((200, 299),), ["200-299"]),
        (["4XX", "2Xx", "3xx"], ((200, 499),), ["200-499"]),
        (["1xx", "9xx"], ((100, 199), (900, 999)), ["100-199", "900-999"]),
        ([200, "200", "200-200", "2xx", "200-299"], ((200, 299),), ["200-299"]),
        (["600-999"], ((600, 999),), ["600-999"]),
    ],
)
def test_status_codes_are_sorted_merged_and_written_shortly(sent, kept, written):
    assert formats.status_codes(sent) == kept
    assert formats.written_status_codes(kept) == written


@pytest.mark.parametrize(
    ("item", "named"),
    [
        (99, "item 2"), (1000, "item 2"), (True, "item 2"), (200.0, "item 2"), (None, "item 2"),
        ("99", '"99"'), ("1000", '"1000"'), ("0xx", '"0xx"'), ("2x", '"2x"'), ("20x", '"20x"'),
        ("2xxx", '"2xxx"'), ("2xx-3xx", '"2xx-3xx"'), ("399-200", '"399-200"'),
        ("200-1000", '"200-1000"'), ("-200", '"-200"'), ("", '""'), ("2\nxx", '"2 xx"'),
        ("\uff12\uff10\uff10", '"\uff12\uff10\uff10"'), ("x" * 99, f'"{"x" * 20}"'),
    ],
)  # fmt: skip
def test_a_bad_status_code_is_named_with_what_is_allowed(item, named):
    with pytest.raises(formats.InvalidValue) as caught:
        formats.status_codes([200, item])
    assert str(caught.value) == (
        'must hold numbers from 100 to 999, ranges like "200-399" and classes like "2xx"; '
        f"{named} is none of these"
    )


@given(st.lists(st.integers(100, 999), min_size=1, max_size=30))
def test_status_codes_hold_exactly_what_was_sent(codes):
    ranges = formats.status_codes(codes)
    assert {c for lo, hi in ranges for c in range(lo, hi + 1)} == set(codes)
    assert formats.status_codes(formats.written_status_codes(ranges)) == ranges


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(None, None), ("1.0", "1.0"), ("1", "1.0"), ("1.1", "1.1"), ("1.2", "1.2"), ("1.3", "1.3")],
)
def test_a_version_of_tls_is_text_or_null(sent, kept):
    url = {"url": "https://a.example/"}
    assert new_website(url | {"tls_min_version": sent})["tls_min_version"] == kept


@pytest.mark.parametrize("sent", ["", "1.4", "0.9", "2", "TLSv1.2", " 1.2", 1, 1.2, True, ["1.2"]])
def test_what_is_no_version_of_tls_is_refused(sent):
    with pytest.raises(InvalidInput, match=r"must be text, one of 1\.0, 1\.1, 1\.2, 1\.3, or null"):
        new_website({"url": "https://a.example/", "tls_min_version": sent})


@pytest.mark.parametrize(
    "address",
    ["a@b", "first.last+tag@mail.example.com", "o'neil@example.org", "a" * 64 + "@example.com"],
)
def test_valid_email_addresses_are_accepted(address):
    assert formats.emails([address]) == (address,)


@pytest.mark.parametrize(
    "address",
    ["a b@c", ".a@b", "a.@b", "a..b@c", "a@b..c", "a@-b", "a@b-", "a@b_c", "ä@b", "a@b,c", "a@b;c",
     '"a"@b', "<a@b", "a@[::1]", "a@b\n.c", "a@" + "b" * 64, "a@" + "b." * 130 + "c"],
)  # fmt: skip
def test_invalid_email_addresses_are_refused(address):
    with pytest.raises(InvalidValue):
        formats.emails([address])


def test_headers_are_kept_as_sent():
    sent = {"X-Token": "a b\tc", "accept": "", "!#$%&'*+.^_`|~9": "~"}
    assert formats.headers(sent) == sent


def _problems(check, body):
    try:
        check(body)
    except InvalidInput as refused:
        return refused.problems
    return []


@given(json_values)
def test_whatever_is_sent_is_refused_by_name_or_accepted(body):
    for check in (new_website, changed_website, new_region, changed_region):
        assert all(p.field and p.message for p in _problems(check, body))


@given(field_names, json_values)
def test_whatever_a_field_holds_only_that_field_is_named(name, value):
    assert {p.field for p in _problems(changed_website, {name: value})} <= {name}


@given(st.text(max_size=40))
def test_a_region_is_called_what_the_settings_allow(name):
    try:
        accepted = bool(formats.region_name(name))
    except InvalidValue:
        accepted = False
    assert accepted == region_name_ok(name)


def test_fields_on_top_of_what_was():
    # given
    sent = {"url": "http://a/", "name": "A", "check_frequency": 60, "external_id": "x"}
    before = draft(new_website(sent))
    # when
    after = draft(changed_website({"request_timeout": 59, "external_id": None}), before)
    # then
    assert (after.check.request_timeout, after.check.check_frequency) == (59, 60)
    assert (after.name, after.external_id) == ("A", None)
    with pytest.raises(InvalidInput, match="must be less than"):
        draft(changed_website({"check_frequency": 59}), after)


def test_the_field_to_blame_is_one_that_was_sent():
    before = draft(new_website({"url": "http://a/", "request_timeout": 60}))
    for sent, named in (
        ({"check_frequency": 30}, "check_frequency"),
        ({"check_frequency": 30, "request_timeout": 40}, "request_timeout"),
    ):
        with pytest.raises(InvalidInput) as refused:
            draft(changed_website(sent), before)
        assert [p.field for p in refused.value.problems] == [named]
