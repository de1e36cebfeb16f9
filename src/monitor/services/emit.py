"""Emitting a minute's batches. The work is per batch, never per website."""

from __future__ import annotations

from monitor.domain import messages
from monitor.domain.messages import CheckBatch, Outgoing
from monitor.domain.ring import Ring, arcs_of_window, batches_of_arc
from monitor.storage.redis.projection import Projection

MINUTE_S = 60


async def batches_of_minute(
    projection: Projection, minute_s: int, batch_size: int
) -> list[tuple[Ring, list[Outgoing]]]:
    """The batches due in the minute that starts at ``minute_s`` (Unix seconds), by ring."""
    found = []
    for ring in await projection.rings():
        arcs = list(arcs_of_window(ring.interval_s, minute_s, minute_s + MINUTE_S))
        counts = await projection.counts(ring, [(a.lo, a.hi) for a in arcs])
        batches = [
            _message(ring, part.lo, part.hi, part.slot_ms)
            for arc, count in zip(arcs, counts, strict=True)
            for part in batches_of_arc(arc, ring.interval_s, count, batch_size)
        ]
        if batches:
            found.append((ring, batches))
    return found


def _message(ring: Ring, lo: int, hi: int, slot_ms: int) -> Outgoing:
    batch = CheckBatch(
        region=ring.region, interval_s=ring.interval_s, lo=lo, hi=hi, slot_ms=slot_ms
    )
    return messages.check_batch(batch)
