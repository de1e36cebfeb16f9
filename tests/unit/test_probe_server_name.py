"""The name that a server is asked for in a TLS handshake."""

from __future__ import annotations

import pytest

from monitor.probes.http.redirects import first_request
from monitor.probes.http.server_name import server_name
from support.factories import check_options


@pytest.mark.parametrize(
    ("url", "header", "name"),
    [
        ("https://192.0.2.1/", "shop.example", "shop.example"),
        ("https://192.0.2.1:8443/", "SHOP.example:443", "shop.example"),
        ("https://192.0.2.1/", "shop.example:", "shop.example"),
        ("https://192.0.2.1/", "shop.example.", "shop.example"),
        ("https://192.0.2.1/", "my_shop.example", "my_shop.example"),
        ("https://192.0.2.1/", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://192.0.2.1/", "localhost", "localhost"),
        ("https://[2001:db8::1]/", "shop.example", "shop.example"),
        ("https://192.0.2.1/", "192.0.2.9:443", "192.0.2.9"),
        ("https://192.0.2.1/", "[2001:DB8::9]:443", "2001:db8::9"),
        # what is no host is none to ask for
        ("https://192.0.2.1/", "", "192.0.2.1"),
        ("https://192.0.2.1/", "shop example", "192.0.2.1"),
        ("https://192.0.2.1/", "shop..example", "192.0.2.1"),
        ("https://192.0.2.1/", ".shop.example", "192.0.2.1"),
        ("https://192.0.2.1/", "-shop.example", "192.0.2.1"),
        ("https://192.0.2.1/", "*.shop.example", "192.0.2.1"),
        ("https://192.0.2.1/", "https://shop.example/", "192.0.2.1"),
        ("https://192.0.2.1/", "shop.example:http", "192.0.2.1"),
        ("https://192.0.2.1/", "a" * 64 + ".example", "192.0.2.1"),
        ("https://192.0.2.1/", ".".join(["a" * 63] * 4), "192.0.2.1"),
        ("https://192.0.2.1/", "192.0.2", "192.0.2.1"),
        ("https://192.0.2.1/", "0x7f000001", "192.0.2.1"),
        ("https://192.0.2.1/", "[192.0.2.9]", "192.0.2.9"),
        ("https://192.0.2.1/", "[2001:db8::]:9]", "192.0.2.1"),
        ("https://192.0.2.1/", "2001:db8::9", "192.0.2.1"),
        # of a URL with a name it is that name
        ("https://shop.example/", "blog.example", "shop.example"),
        ("https://127.0.0.1.example/", "blog.example", "127.0.0.1.example"),
    ],
)
def test_it_follows_the_host_header_of_an_address(url, header, name):
    request = first_request(check_options(url, request_headers={"X": "y", "hoST": header}))
    assert server_name(request) == name


@pytest.mark.parametrize("url", ["https://192.0.2.1/", "https://shop.example/"])
def test_without_a_host_header_it_is_the_host_of_the_url(url):
    for headers in ({}, {"X-Host": "blog.example"}):
        request = first_request(check_options(url, request_headers=headers))
        assert server_name(request) == request.target.host
