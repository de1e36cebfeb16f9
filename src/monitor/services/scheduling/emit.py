"""Emitting a minute's batches. The work is per batch, never per website."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.domain import messages
from monitor.domain.messages import CheckBatch, Outgoing
from monitor.domain.ring import MINUTE_S, Ring, arcs_of_window, batches_of_arc, most_waiting
from monitor.runtime.logging import get_logger
from monitor.services.scheduling.missed_slots import note_minute, slots_of
from monitor.storage.redis import keys
from monitor.storage.redis.minutes import Minutes
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions

log = get_logger(__name__)

_AHEAD_S = 3
"""The clock of the host that schedules may be so much ahead of ours."""

_CLAIM_S = 180
"""How long it is remembered that a minute's work was given out; schedulers differ by less."""


class Queue(Protocol):
    """Where batches go. Blocking. Raises Unavailable."""

    def backlog(self, queue: str) -> int:
        """How many messages wait on a queue, those for later among them."""

    def send_once(self, claim: str, ttl_s: int, outgoing: Sequence[Outgoing]) -> bool:
        """Queue all of them unless the claim was made before; False where it was."""


@dataclass(frozen=True, slots=True)
class Emitter:
    """What emitting needs. ``batch_size``: websites in one batch, about."""

    projection: Projection
    regions: Regions
    minutes: Minutes
    queue: Queue
    batch_size: int


def minute_to_emit(now_s: float) -> int:
    """The start of the minute (Unix seconds) that a scheduler means whose message comes now.

    One that is ahead sends it before the minute has begun here: taken for the minute that is about
    to end, which was emitted long ago, it would leave out the one that begins.
    """
    return int(now_s + _AHEAD_S) // MINUTE_S * MINUTE_S


async def emit_minute(emitter: Emitter, minute_s: int, since_s: int = 0) -> int:
    """Queue the batches due in the minute that starts at ``minute_s``; returns how many.

    Slots before ``since_s`` are left out, should the minute have begun long ago.

    Each ring's batches are queued once, whoever else tries. A region whose queue has grown
    beyond what its workers can be about to do gets none: neither Redis nor the region is buried.
    What is left out so, or was given out by nobody before this minute, is counted.
    """
    all_of_it = await batches_of_minute(emitter.projection, minute_s, emitter.batch_size)
    due = (
        (ring, [b for b in all_ if b.not_before_ms >= since_s * 1000]) for ring, all_ in all_of_it
    )
    found = [(ring, batches) for ring, batches in due if batches]
    buried = await _buried(emitter, found)
    emitted = 0
    for ring, batches in found:
        given = [] if ring.region in buried else batches
        claim = keys.emitted(ring, minute_s)
        won = await asyncio.to_thread(emitter.queue.send_once, claim, _CLAIM_S, given)
        if won and not given:
            await _count_dropped(emitter, ring, minute_s)
        emitted += len(given) if won else 0
    await note_minute(emitter.minutes, emitter.projection, minute_s, emitter.batch_size)
    return emitted


async def _count_dropped(emitter: Emitter, ring: Ring, minute_s: int) -> None:
    batches, websites = await slots_of(
        emitter.projection, ring, minute_s, minute_s + MINUTE_S, emitter.batch_size
    )
    await emitter.regions.count_left_out(ring.region, batches=batches, websites=websites)


async def _buried(emitter: Emitter, found: Sequence[tuple[Ring, list[Outgoing]]]) -> set[str]:
    """The regions that have more waiting than they can be about to do."""
    batches: dict[str, int] = {}
    for ring, due in found:
        batches[ring.region] = batches.get(ring.region, 0) + len(due)
    buried = set()
    for region, count in batches.items():
        waiting = await asyncio.to_thread(emitter.queue.backlog, messages.checks_queue(region))
        if waiting > most_waiting(count):
            log.error("region.overloaded", region=region, waiting=waiting, batches=count)
            buried.add(region)
    return buried


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
