"""A listener that nobody may reach, and a policy that says whom it let through."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from ipaddress import IPv6Address, ip_address, ip_network

from monitor.domain.outcome import Result
from monitor.probes.net.address_policy import AddressPolicy
from support.factories import check_options
from support.targets import TargetServer
from support.targets_checks import prober

INSIDE = ["127.0.0.1", "::1"]
"""What a hostile DNS server says of any name."""


class NotedPolicy(AddressPolicy):
    """The real one. ``passed`` are the addresses that it let through, in order.

    One that is not loopback fails the test instead of being connected to: no packet of a test
    leaves this machine.
    """

    def __init__(self, *allowed: str) -> None:
        super().__init__([ip_network(address) for address in allowed])
        self.passed: list[str] = []

    def refuses(self, address: str) -> bool:
        refused = super().refuses(address)
        if not refused:
            self.passed.append(address)
            assert _is_loopback(address), f"{address} would have been connected to"
        return refused


def _is_loopback(address: str) -> bool:
    parsed = ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed).is_loopback


@contextlib.asynccontextmanager
async def listeners() -> AsyncIterator[tuple[TargetServer, TargetServer]]:
    """One port of both loopback addresses."""
    async with TargetServer() as four, TargetServer(host="::1", port=four.port) as six:
        yield four, six


async def nobody_came(*servers: TargetServer) -> None:
    """Connect to each: they accept in order, so that whoever came before was counted before."""
    async with prober() as made:
        for server in servers:
            outcome = await made.check(check_options(server.url))
            assert outcome.result is Result.UP
    assert [server.accepted for server in servers] == [1] * len(servers)
