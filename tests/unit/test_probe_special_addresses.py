"""Every line of the IANA special-purpose address registries is refused, what is beside is not."""

from __future__ import annotations

from ipaddress import IPv4Address, collapse_addresses, ip_address, ip_network

import pytest

from monitor.probes.net.address_policy import AddressPolicy
from support.special_addresses import BESIDE, REGISTRY, TRANSLATED

POLICY = AddressPolicy()
REFUSED = [line[0] for line in (*REGISTRY, *BESIDE) if line[0] != TRANSLATED]


def _samples(text):
    """Both ends and the middle of a network."""
    network = ip_network(text)
    return {str(network[at]) for at in (0, network.num_addresses // 2, -1)}


@pytest.mark.parametrize("network", REFUSED)
def test_each_line_is_refused_from_end_to_end(network):
    assert [a for a in _samples(network) if not POLICY.refuses(a)] == []


@pytest.mark.parametrize("network", [n for n in REFUSED if "." in n])
def test_each_line_is_refused_in_nat64_too(network):
    samples = [f"64:ff9b::{address}" for address in _samples(network)]

    assert [a for a in samples if not POLICY.refuses(a)] == []


def test_a_public_address_in_nat64_is_not():
    assert not POLICY.refuses("64:ff9b::8.8.8.8")


@pytest.mark.parametrize("network", REFUSED)
def test_each_line_can_be_allowed_by_itself(network):
    policy = AddressPolicy([ip_network(network)])

    assert [a for a in _samples(network) if policy.refuses(a)] == []


def test_what_lies_beside_the_lines_of_ipv4_is_allowed():
    """Or all of it could be refused."""
    refused = [ip_network(n) for n in REFUSED if "." in n and ":" not in n]
    for network in collapse_addresses(refused):
        for beside in (int(network[0]) - 1, int(network[-1]) + 1):
            if 0 <= beside < 2**32 and not any(IPv4Address(beside) in n for n in refused):
                assert not POLICY.refuses(str(IPv4Address(beside)))


@pytest.mark.parametrize(
    "address", ["2001:200::", "2001:db7:ffff::", "2001:db9::", "2003::", "2620:4f:7fff::", "3ffe::"]
)
def test_what_lies_beside_the_lines_of_ipv6_is_allowed(address):
    assert ip_address(address).version == 6
    assert not POLICY.refuses(address)
