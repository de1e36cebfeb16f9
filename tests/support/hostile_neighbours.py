"""500 good websites, checked with or without hostile ones beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from monitor.domain.outcome import Outcome
from monitor.probes.http.prober import HttpProber
from support.factories import check_options
from support.hostile_case import Case
from support.hostile_checks import Farms, find

T = TypeVar("T")
NEIGHBOURS = 500
SPAN_S = 1.2
"""The checks of a run begin evenly over this, as the batches of a slot do; the hostile ones over
its first half."""


async def run(
    prober: HttpProber, farms: Farms, hostile: Sequence[Case], timeout_s: int = 30
) -> list[Outcome]:
    """The outcomes of the neighbours, checked beside these."""
    urls = [farms.neighbours.urls[kind] for kind in ("address", "name")]
    good = [check_options(urls[n % 2], request_timeout=timeout_s) for n in range(NEIGHBOURS)]
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    async def at(share: float, check: Callable[[], Awaitable[T]]) -> T:
        await asyncio.sleep(began_s + share * SPAN_S - loop.time())
        return await check()

    beside = [
        asyncio.create_task(at(n / len(hostile) / 2, lambda c=case: find(prober, c, farms)))
        for n, case in enumerate(hostile)
    ]
    outcomes = await asyncio.gather(
        *(at(n / NEIGHBOURS, lambda o=options: prober.check(o)) for n, options in enumerate(good))
    )
    await asyncio.gather(*beside)
    return outcomes
