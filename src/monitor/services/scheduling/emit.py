"""Dispatch of a minute's batches. The work is per batch, never per website."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.domain import messages
from monitor.domain.messages import CheckBatch, Outgoing
from monitor.domain.ring import MINUTE_S, Ring, arcs_of_window, batches_of_arc, max_backlog
from monitor.runtime.logging import get_logger
from monitor.services.scheduling.missed_slots import record_dispatch, slots_of
from monitor.storage.redis import keys
from monitor.storage.redis.minutes import DispatchedMinutes
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions

log = get_logger(__name__)

_CLOCK_AHEAD_S = 3
"""How far the scheduler's clock may be ahead of ours."""

_CLAIM_S = 180
"""How long a minute's claim lasts; schedulers' clocks differ by less."""


class BatchQueue(Protocol):
    """The queue of batches. Calls block. Raises Unavailable."""

    def backlog(self, queue: str) -> int:
        """How many messages wait on a queue, delayed ones included."""

    def send_once(self, claim: str, ttl_s: int, outgoing: Sequence[Outgoing]) -> bool:
        """Queue all of them unless the claim exists; False where it does."""


def minute_to_emit(now_s: float) -> int:
    """The start of the minute (Unix seconds) that a scheduler's message means if it comes now.

    A scheduler whose clock is ahead sends it before the minute begins here. Taken for the current
    minute, which was dispatched long ago, it would skip the next one.
    """
    return int(now_s + _CLOCK_AHEAD_S) // MINUTE_S * MINUTE_S


@dataclass(frozen=True, slots=True)
class BatchEmitter:
    """Queues the batches of each minute. ``batch_size``: about how many websites are in one."""

    projection: Projection
    regions: Regions
    minutes: DispatchedMinutes
    queue: BatchQueue
    batch_size: int

    async def emit_minute(self, minute_s: int, since_s: int = 0) -> int:
        """Queue the batches due in the minute that starts at ``minute_s``; returns how many.

        Slots before ``since_s`` are skipped, for a minute that began long ago.

        Each ring's batches are queued once, however many callers try. A region whose backlog is
        more than its workers can handle gets none, which protects Redis and the region. Slots
        dropped this way, or missed before this minute, are counted.
        """
        due = await self._due(minute_s, since_s)
        overloaded = await self._overloaded(due)
        emitted = 0
        for ring, batches in due:
            queued = [] if ring.region in overloaded else batches
            claim = keys.emitted(ring, minute_s)
            won = await asyncio.to_thread(self.queue.send_once, claim, _CLAIM_S, queued)
            if won and not queued:
                await self._count_dropped(ring, minute_s)
            emitted += len(queued) if won else 0
        await record_dispatch(self.minutes, self.projection, minute_s, self.batch_size)
        return emitted

    async def _due(self, minute_s: int, since_s: int) -> list[tuple[Ring, list[Outgoing]]]:
        rings = await batches_of_minute(self.projection, minute_s, self.batch_size)
        due = (
            (ring, [b for b in batches if b.not_before_ms >= since_s * 1000])
            for ring, batches in rings
        )
        return [(ring, batches) for ring, batches in due if batches]

    async def _count_dropped(self, ring: Ring, minute_s: int) -> None:
        batches, websites = await slots_of(
            self.projection, ring, minute_s, minute_s + MINUTE_S, self.batch_size
        )
        await self.regions.count_missed(ring.region, batches=batches, websites=websites)

    async def _overloaded(self, due: Sequence[tuple[Ring, list[Outgoing]]]) -> set[str]:
        """The regions whose backlog is more than their workers can handle."""
        batches: dict[str, int] = {}
        for ring, messages_of_ring in due:
            batches[ring.region] = batches.get(ring.region, 0) + len(messages_of_ring)
        overloaded = set()
        for region, count in batches.items():
            waiting = await asyncio.to_thread(self.queue.backlog, messages.checks_queue(region))
            if waiting > max_backlog(count):
                log.error("region.overloaded", region=region, waiting=waiting, batches=count)
                overloaded.add(region)
        return overloaded


async def batches_of_minute(
    projection: Projection, minute_s: int, batch_size: int
) -> list[tuple[Ring, list[Outgoing]]]:
    """The batches due in the minute that starts at ``minute_s`` (Unix seconds), by ring."""
    rings = []
    for ring in await projection.rings():
        arcs = list(arcs_of_window(ring.interval_s, minute_s, minute_s + MINUTE_S))
        counts = await projection.counts(ring, [(a.lo, a.hi) for a in arcs])
        batches = [
            _message(ring, part.lo, part.hi, part.slot_ms)
            for arc, count in zip(arcs, counts, strict=True)
            for part in batches_of_arc(arc, ring.interval_s, count, batch_size)
        ]
        if batches:
            rings.append((ring, batches))
    return rings


def _message(ring: Ring, lo: int, hi: int, slot_ms: int) -> Outgoing:
    batch = CheckBatch(
        region=ring.region, interval_s=ring.interval_s, lo=lo, hi=hi, slot_ms=slot_ms
    )
    return messages.check_batch(batch)
