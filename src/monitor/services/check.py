"""Checking websites from one region: probe all at once, settle what is done, watch the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from monitor.domain import messages
from monitor.domain.messages import CheckBatch, CheckWebsites, Outgoing
from monitor.domain.outcome import Outcome
from monitor.domain.ring import Ring
from monitor.domain.verdict import is_due
from monitor.logs import get_logger
from monitor.services.region_worker import RegionWorker
from monitor.services.settle import settle
from monitor.services.stragglers import Measured, Running, outcome_of
from monitor.storage.redis.projection import Entry
from monitor.storage.redis.regions import DROPPED_BATCHES

log = get_logger(__name__)

_LATE_CHECK_S = 60
"""A check out of turn that waited longer than this is left to the website's next slot."""

_STARTED_AT_ONCE = 10


async def check_batch(worker: RegionWorker, batch: CheckBatch) -> list[Outgoing]:
    """Check an arc of a ring for its slot. One that is older than its interval is dropped.

    Websites that were already checked for this slot, or for a later one, are passed over.
    """
    late_s = worker.now() - batch.slot_ms / 1000
    if late_s > batch.interval_s:
        await worker.regions.count(worker.region, DROPPED_BATCHES, 1)
        log.warning("batch.dropped", region=worker.region, slot_ms=batch.slot_ms, late_s=late_s)
        return []
    ring = Ring(batch.region, batch.interval_s)
    entries = await worker.projection.read_arc(ring, batch.lo, batch.hi)
    return await _check(worker, entries, batch.slot_ms // 1000)


async def check_websites(worker: RegionWorker, message: CheckWebsites) -> list[Outgoing]:
    """Check these websites out of turn, unless a check of theirs has come since."""
    if worker.now() - message.slot_ms / 1000 > _LATE_CHECK_S:
        log.info(
            "recheck.left_to_next_slot", region=worker.region, websites=len(message.website_ids)
        )
        return []
    entries = await worker.projection.read_websites(worker.region, message.website_ids)
    return await _check(worker, entries, message.slot_ms // 1000)


async def hand_back(worker: RegionWorker) -> list[Outgoing]:
    """Give up the checks still under way; returns the messages by which others make them."""
    by_slot: dict[int, CheckWebsites] = {}
    for slot_s, website_id in await worker.stragglers.close():
        empty = CheckWebsites(region=worker.region, website_ids=[], slot_ms=slot_s * 1000)
        by_slot.setdefault(slot_s, empty).website_ids.append(website_id)
    return [messages.check_websites(message) for message in by_slot.values()]


async def _check(worker: RegionWorker, entries: Sequence[Entry], slot_s: int) -> list[Outgoing]:
    begun_s = int(worker.now())
    due = [e for e in entries if is_due(e.state, slot_s, begun_s)]
    if not due:
        return []
    running: dict[asyncio.Task[Outcome], Entry] = {}
    try:
        await _start(worker, due, running)
        done, late = await asyncio.wait(running, timeout=worker.patience_s)
    except asyncio.CancelledError:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise
    ended = [(running[t], outcome_of(t)) for t in done]
    follow = await settle(worker, ended, slot_s, begun_s)
    if late:
        await worker.send(follow)
        await _leave(worker, {task: running[task] for task in late}, slot_s, begun_s)
        return []
    return follow


async def _start(
    worker: RegionWorker, due: Sequence[Entry], running: dict[asyncio.Task[Outcome], Entry]
) -> None:
    """Start all checks, a few at a time, with a look at what has come in between.

    Were they started at once, the answers would wait for the last of them to be under way, and
    that wait would be measured: 30 ms in the middle of 500 quick websites, against 3 ms.
    """
    loop = asyncio.get_running_loop()
    for number, entry in enumerate(due, 1):
        running[loop.create_task(worker.prober.check(entry.options))] = entry
        if number % _STARTED_AT_ONCE == 0:
            await asyncio.sleep(0)


async def _leave(worker: RegionWorker, late: Running, slot_s: int, begun_s: int) -> None:
    """Let these checks end in their own time."""

    async def settle_late(checked: Sequence[Measured]) -> None:
        await worker.send(await settle(worker, checked, slot_s, begun_s))

    await worker.stragglers.take(slot_s, late, settle_late)
