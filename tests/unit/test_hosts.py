"""Which hosts some programs read as an IPv4 address and others do not."""

from __future__ import annotations

import pytest

from monitor.domain import hosts


@pytest.mark.parametrize(
    "host",
    ["127.1", "127.0.1", "0", "2130706433", "0x7f000001", "0X7F.0.0.1", "0177.0.0.1", "127.0.0.01",
     "127.0.0.256", "1.2.3.4.5", "127.0.0.1.", "127.0x", "example.com.5", "0x"],
)  # fmt: skip
def test_a_host_that_ends_in_a_number_is_odd_unless_it_has_four(host):
    assert hosts.is_odd_address(host)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "8.8.8.8", "example.com", "example.com.", "127.0.0.1.nip.test", "1a.test", "a1",
     "0xg", "x0", "1e3.test", "xn--80ak6aa92e", "localhost", "", "."],
)  # fmt: skip
def test_names_and_canonical_addresses_are_not_odd(host):
    assert not hosts.is_odd_address(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("１２７.１", "127.1"),  # noqa: RUF001
        ("127。0。0。1", "127.0.0.1"),
        ("127．0．0．1", "127.0.0.1"),  # noqa: RUF001
        ("127｡0｡0｡1", "127.0.0.1"),
        ("⓪x7f", "0x7f"),
        ("bücher.test", "bücher.test"),
    ],
)
def test_compatibility_forms_become_the_ordinary_ones(host, expected):
    assert hosts.plain(host) == expected
