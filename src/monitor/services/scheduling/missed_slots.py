"""Slots that nobody gave out, or that a region could not be given: counted as not measured."""

from __future__ import annotations

from monitor.domain.ring import Ring, arcs_of_window, left_out
from monitor.runtime.logging import get_logger
from monitor.storage.redis.minutes import Minutes
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import left_out as counts_of

log = get_logger(__name__)

_CLOCKS_APART_S = 180
"""A minute noted so far ahead was noted by a clock that was wrong."""


async def note_minute(
    minutes: Minutes, projection: Projection, minute_s: int, batch_size: int
) -> None:
    """Note that this minute was given out, and count what lies between the last one and it.

    Whatever let a minute pass (no scheduler, no central worker, Redis away) is seen here and here
    alone: nobody else knows of batches that never were. Of many that note a minute one counts.
    """
    last_s = await minutes.last()
    if last_s is not None and minute_s <= last_s <= minute_s + _CLOCKS_APART_S:
        return  # noted before
    start_s, end_s = left_out(last_s, minute_s)
    counts: dict[str, int] = {}
    for ring in await projection.rings() if start_s < end_s else ():
        batches, websites = await slots_of(projection, ring, start_s, end_s, batch_size)
        for name, count in counts_of(ring.region, batches=batches, websites=websites).items():
            counts[name] = counts.get(name, 0) + count
    if await minutes.give_out(last_s, minute_s, counts) and start_s < end_s:
        log.error("minutes.left_out", since_s=start_s, lasted_s=end_s - start_s)


async def slots_of(
    projection: Projection, ring: Ring, start_s: int, end_s: int, batch_size: int
) -> tuple[int, int]:
    """(batches, checks) that are due in [start_s, end_s) of a ring as it is now."""
    arcs = arcs_of_window(ring.interval_s, start_s, end_s)
    counts = await projection.counts(ring, [(arc.lo, arc.hi) for arc in arcs])
    return sum(-(-count // batch_size) for count in counts), sum(counts)
