"""Check the cases of ``hostile_farm``, each as its outcome is defined."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from ipaddress import ip_network

from msgspec import Struct

from monitor.domain.outcome import Outcome
from monitor.probes.http.prober import HttpProber
from monitor.probes.net.address_policy import AddressPolicy
from monitor.resources.check_options import CheckOptions
from support.factories import check_options
from support.hostile_case import Case
from support.hostile_farm import Farm

POLICY = AddressPolicy([ip_network(n) for n in ("127.0.0.1/32", "127.1.0.0/16", "::1/128")])
"""What is refused by default, but for the loopback addresses that targets listen on: no case
leads to any other address that may be connected to."""


class Farms(Struct, frozen=True):
    """Both processes."""

    hostile: Farm
    neighbours: Farm


class Found(Struct, frozen=True):
    """An outcome, and how long a clock outside saw it take."""

    outcome: Outcome
    took_s: float


def hostile_prober(farms: Farms) -> HttpProber:
    return HttpProber(
        policy=POLICY,
        dns_servers=[farms.neighbours.dns],
        trust=farms.hostile.authority_pem,
    )


def options_of(case: Case, farms: Farms) -> CheckOptions:
    return check_options(
        farms.hostile.urls[case.name], request_timeout=case.timeout_s, verify_ssl=case.verify_ssl
    )


async def find(prober: HttpProber, case: Case, farms: Farms) -> Found:
    clock = asyncio.get_running_loop().time
    began_s = clock()
    outcome = await prober.check(options_of(case, farms))
    return Found(outcome, clock() - began_s)


async def find_all(cases: Iterable[Case], farms: Farms) -> dict[str, Found]:
    """What is found of each by its name; all at once."""
    listed = list(cases)
    prober = hostile_prober(farms)
    try:
        found = await asyncio.gather(*(find(prober, case, farms) for case in listed))
    finally:
        await prober.close()
    return dict(zip((case.name for case in listed), found, strict=True))
