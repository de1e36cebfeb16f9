"""How late the event loop is: a timer that notes by how much it was overslept."""

from __future__ import annotations

import asyncio

from monitor.metrics.worker_stats import Tally

_EVERY_S = 0.5


async def measure_loop_delay(into: Tally) -> None:
    """Note the delay of the running loop, twice a second, until cancelled."""
    clock = asyncio.get_running_loop().time
    while True:
        wanted = clock() + _EVERY_S
        await asyncio.sleep(_EVERY_S)
        into.observe(max(clock() - wanted, 0.0))
