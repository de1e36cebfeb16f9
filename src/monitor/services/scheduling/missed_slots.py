"""Missed slots: never dispatched, or dropped for an overloaded region. They are not measured."""

from __future__ import annotations

from monitor.domain.ring import Ring, arcs_of_window, missed_window
from monitor.runtime.logging import get_logger
from monitor.storage.redis.minutes import DispatchedMinutes
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import missed_counts

log = get_logger(__name__)

_CLOCK_SKEW_S = 180
"""A minute recorded further ahead than this was recorded by a clock that was wrong."""


async def record_dispatch(
    minutes: DispatchedMinutes, projection: Projection, minute_s: int, batch_size: int
) -> None:
    """Record that this minute was dispatched, and count the missed slots before it.

    Whatever made a minute pass undispatched (no scheduler, no central worker, Redis away) is
    noticed here and only here: nothing else knows of batches that never existed. If several
    workers record the same minute, one of them counts.
    """
    last_s = await minutes.last()
    if last_s is not None and minute_s <= last_s <= minute_s + _CLOCK_SKEW_S:
        return  # already recorded
    start_s, end_s = missed_window(last_s, minute_s)
    counts: dict[str, int] = {}
    for ring in await projection.rings() if start_s < end_s else ():
        batches, websites = await slots_of(projection, ring, start_s, end_s, batch_size)
        missed = missed_counts(ring.region, batches=batches, websites=websites)
        for name, count in missed.items():
            counts[name] = counts.get(name, 0) + count
    if await minutes.record(last_s, minute_s, counts) and start_s < end_s:
        log.error("minutes.missed", since_s=start_s, lasted_s=end_s - start_s)


async def slots_of(
    projection: Projection, ring: Ring, start_s: int, end_s: int, batch_size: int
) -> tuple[int, int]:
    """(batches, checks) due in [start_s, end_s) of a ring as it is now."""
    arcs = arcs_of_window(ring.interval_s, start_s, end_s)
    counts = await projection.counts(ring, [(arc.lo, arc.hi) for arc in arcs])
    return sum(-(-count // batch_size) for count in counts), sum(counts)
