"""Which addresses a check may connect to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.probes.net.address_policy import AddressPolicy

POLICY = AddressPolicy()
NAT64 = ip_network("64:ff9b::/96")
REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:8.8.8.8",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2002:a9fe:a9fe::",
    "2002:c0a8:1::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2606:4700::1111%eth0",
]
ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "64:ff9b::8.8.8.8",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "2a00:1450::1",
    "3ffe::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_non_public_addresses_are_refused(address):
    assert POLICY.refuses(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_public_addresses_are_allowed(address):
    assert not POLICY.refuses(address)


@given(st.ip_addresses())
def test_private_addresses_of_the_standard_library_are_refused(address):
    if not address.is_global and not POLICY.refuses(str(address)):
        # Python 3.11 has the whole of NAT64 for private; ours is judged by what is inside
        assert address in NAT64


@given(st.ip_addresses(v=4))
def test_nat64_is_judged_by_its_ipv4_address_and_other_wrapping_is_refused(inner):
    number = int(inner)

    assert POLICY.refuses(str(NAT64[number])) == POLICY.refuses(str(inner))
    for wrapped in (number, 0xFFFF << 32 | number, 0x2002 << 112 | number << 80 | 1):
        assert POLICY.refuses(str(IPv6Address(wrapped)))


def test_a_network_may_be_allowed_and_nothing_beside_it():
    policy = AddressPolicy(
        [ip_network(n) for n in ("10.1.0.0/16", "fd00:1::/32", "::ffff:10.3.0.0/112")]
    )

    assert not policy.refuses("10.1.0.0")
    assert not policy.refuses("10.1.255.255")
    assert not policy.refuses("64:ff9b::10.1.2.3")
    assert not policy.refuses("::ffff:10.3.2.3")
    assert not policy.refuses("fd00:1::5")
    assert policy.refuses("::ffff:10.1.2.3")
    assert policy.refuses("10.0.255.255")
    assert policy.refuses("10.2.0.0")
    assert policy.refuses("64:ff9b::10.2.0.0")
    assert policy.refuses("fd00:2::5")
    assert policy.refuses("127.0.0.1")


def test_everything_may_be_allowed():
    policy = AddressPolicy(allow_all=True)
    assert not any(policy.refuses(address) for address in REFUSED)


@pytest.mark.parametrize("text", ["", "example.com", "127.1", "0x7f.0.0.1", "1.2.3.4.5"])
def test_an_invalid_address_raises(text):
    with pytest.raises(ValueError, match="is not an IPv4 address"):
        POLICY.refuses(text)


def test_the_tables_hold_both_ends_of_each_network():
    assert ip_address("0.0.0.0") == IPv4Address(0)
    for network in map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "198.18.0.0/15", "fc00::/7")):
        assert POLICY.refuses(str(network[0]))
        assert POLICY.refuses(str(network[-1]))
