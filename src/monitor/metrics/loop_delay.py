"""How late the event loop is: a timer that measures by how much it fired late."""

from __future__ import annotations

import asyncio

from monitor.metrics.worker_stats import Tally

_EVERY_S = 0.5


async def measure_loop_delay(into: Tally) -> None:
    """Record the delay of the running loop, twice a second, until cancelled."""
    clock = asyncio.get_running_loop().time
    while True:
        due_s = clock() + _EVERY_S
        await asyncio.sleep(_EVERY_S)
        into.observe(max(clock() - due_s, 0.0))
