"""What one name's DNS answer may do to the lookups of others that are under way."""

from __future__ import annotations

import asyncio

import pytest

from monitor.domain.outcome import Reason, Result
from support.dns import DnsServer
from support.factories import check_options
from support.hostile_dns import HOSTILE
from support.targets import TargetServer
from support.targets_checks import prober
from support.targets_loops import on_both_loops

_MALFORMED = [
    "noise.test",
    "garbled.test",
    "cut-short.test",
    "short-address.test",
    "pointer-loop.test",
    "more-counted.test",
]
_WELL_FORMED = ["nowhere.test", "failing.test", "always-truncated.test", "alias-ring.test"]


@pytest.mark.parametrize("hostile", [*_WELL_FORMED, *_MALFORMED])
@on_both_loops
async def test_dns_response_for_one_name_does_not_end_the_lookup_of_another(hostile):
    # given a lookup whose answer takes its time, as one that nobody else asked for does
    names = {"shop.test": ["127.0.0.1"], hostile: HOSTILE[hostile]}
    async with (
        TargetServer() as target,
        DnsServer(names) as dns,
        prober(dns_servers=[dns.address]) as made,
    ):
        dns.late_s["shop.test"] = 0.3
        shop = check_options(target.url_of(host="shop.test"))
        waiting = asyncio.create_task(made.check(shop))
        await asyncio.wait_for(dns.asked.wait(), 5)

        # when another name's answer comes first
        other = await made.check(check_options(f"http://{hostile}/", request_timeout=1))
        outcome = await waiting

    # then
    assert other.reason is Reason.DNS_ERROR
    assert outcome.result is Result.UP, outcome.evidence
