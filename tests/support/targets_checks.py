"""Make one check of one target, as the tests of the probes do."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from typing import Any

from monitor.domain.outcome import Outcome
from monitor.probes.http.prober import HttpProber
from monitor.probes.net.address_policy import AddressPolicy
from support import targets_tls
from support.factories import check_options


class _LoopbackOnly(AddressPolicy):
    """Whatever a test makes a check do, no packet leaves this machine."""

    def refuses(self, address: str) -> bool:
        return not ip_address(address).is_loopback


LOOPBACK_ONLY = _LoopbackOnly()
NO_DNS = ("127.0.0.1:1",)
"""A server that nobody runs: a name that a test did not mean to look up stays here."""


@contextlib.asynccontextmanager
async def prober(**arguments: Any) -> AsyncIterator[HttpProber]:
    """A prober for loopback alone that trusts the tests' authority, unless told otherwise."""
    usual = {"policy": LOOPBACK_ONLY, "dns_servers": NO_DNS, "trust": targets_tls.trust()}
    made = HttpProber(**{**usual, **arguments})
    try:
        yield made
    finally:
        await made.close()


async def check(url: str, *, dns_servers: Sequence[str] = NO_DNS, **options: Any) -> Outcome:
    """One check with a prober of its own; ``options`` are those of CheckOptions."""
    async with prober(dns_servers=dns_servers) as made:
        return await made.check(check_options(url, **options))
