"""Checks from one region: probe all websites of a batch at once, then process the results."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any
from uuid import UUID

from monitor.domain import messages
from monitor.domain.errors import SecretsUnreadable
from monitor.domain.messages import CheckBatch, CheckWebsites, Outgoing
from monitor.domain.outcome import Outcome, Reason, Result
from monitor.domain.ring import Ring, turn_of
from monitor.domain.verdict import is_due, is_in_doubt
from monitor.runtime.logging import get_logger
from monitor.services.checks.region_worker import RegionWorker
from monitor.services.checks.results import process_results
from monitor.services.checks.slow_checks import CheckResult, Running, outcome_of
from monitor.storage.redis.projection import Entry

log = get_logger(__name__)

_LATE_CHECK_S = 60
"""A check out of turn that waited longer than this is left to the website's next slot."""

_START_STEP = 10
"""How many checks start before the event loop gets a turn."""

_UNABLE = {
    Reason.SECRETS_UNREADABLE: (
        "batch.secrets_unreadable",
        "MONITOR_ENCRYPTION_KEYS of this worker lacks a key that the API has",
    ),
    Reason.UNSUPPORTED_KIND: (
        "batch.unsupported_kind",
        "this worker is older than the kind of these checks; update it",
    ),
}
"""What the operator of this worker has to put right: the event to log, and how."""


async def check_batch(worker: RegionWorker, batch: CheckBatch) -> list[Outgoing]:
    """Check an arc of a ring for its slot. A batch that is older than its interval is dropped.

    Websites already checked for this slot or a later one are skipped.
    """
    ring = Ring(batch.region, batch.interval_s)
    late_s = worker.now() - batch.slot_ms / 1000
    if late_s > batch.interval_s:
        (websites,) = await worker.projection.counts(ring, [(batch.lo, batch.hi)])
        await worker.regions.count_missed(worker.region, batches=1, websites=websites)
        log.warning("batch.dropped", region=worker.region, slot_ms=batch.slot_ms, late_s=late_s)
        return []
    entries = await worker.projection.read_arc(ring, batch.lo, batch.hi)
    return await _check(worker, entries, batch.slot_ms // 1000, in_turn=True)


async def check_websites(worker: RegionWorker, message: CheckWebsites) -> list[Outgoing]:
    """Check these websites now, outside batches, unless they were checked meanwhile.

    Those that have waited for too long are left to their next slots.
    """
    entries = await worker.projection.read_websites(worker.region, message.website_ids)
    late_s = worker.now() - message.slot_ms / 1000
    slot_s, follow_up = message.slot_ms // 1000, list[Outgoing]()
    for in_turn in (True, False):
        group = [e for e in entries if (message.in_turn and _fills(e, slot_s)) is in_turn]
        timely = [e for e in group if late_s <= _max_wait_s(e, in_turn=in_turn)]
        await _count_missed(worker, len(group) - len(timely))
        follow_up += await _check(worker, timely, slot_s, in_turn=in_turn)
    return follow_up


def _max_wait_s(entry: Entry, *, in_turn: bool) -> int:
    """A check in turn may wait as long as a batch: without it, its slot has no tick."""
    return entry.options.check_frequency if in_turn else _LATE_CHECK_S


async def _count_missed(worker: RegionWorker, websites: int) -> None:
    if websites:
        await worker.regions.count_missed(worker.region, batches=0, websites=websites)
        log.info("recheck.left_to_next_slot", region=worker.region, websites=websites)


def _fills(entry: Entry, slot_s: int) -> bool:
    """Whether a check in turn fills a slot, or a batch has filled it already."""
    return entry.state.slot_s < turn_of(slot_s, entry.options.check_frequency)


async def requeue_slow_checks(worker: RegionWorker) -> list[Outgoing]:
    """Cancel the checks still running; returns the messages with which other workers make them."""
    by_slot: dict[tuple[int, bool], list[UUID]] = {}
    for slot_s, in_turn, website_id in await worker.slow_checks.close():
        by_slot.setdefault((slot_s, in_turn), []).append(website_id)
    return [
        messages.check_websites(
            CheckWebsites(
                region=worker.region, website_ids=ids, slot_ms=slot_s * 1000, in_turn=in_turn
            )
        )
        for (slot_s, in_turn), ids in by_slot.items()
    ]


async def _check(
    worker: RegionWorker, entries: Sequence[Entry], slot_s: int, *, in_turn: bool
) -> list[Outgoing]:
    begun_s = int(worker.now())
    due = [e for e in entries if is_due(e.state, slot_s, begun_s)]
    if not due:
        return []
    running: dict[asyncio.Task[Outcome], Entry] = {}
    try:
        await _start(worker, due, slot_s, running)
        done, late = await asyncio.wait(running, timeout=worker.batch_wait_s)
    except asyncio.CancelledError:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise
    results = [(running[t], outcome_of(t)) for t in done]
    _warn_unable(worker, [outcome for _, outcome in results])
    follow_up = await process_results(worker, results, slot_s, begun_s, in_turn=in_turn)
    if late:
        worker.connectivity.refresh()
        await worker.send(follow_up)
        slow = {task: running[task] for task in late}
        await _watch(worker, slow, slot_s, begun_s, in_turn=in_turn)
        return []
    return follow_up


async def _start(
    worker: RegionWorker,
    due: Sequence[Entry],
    slot_s: int,
    running: dict[asyncio.Task[Outcome], Entry],
) -> None:
    """Start all checks, a few at a time, and let the event loop handle responses in between.

    A check that gets no slot before the next one of its website is due is not made: otherwise an
    overloaded region would fall further and further behind, and then work off the backlog.

    Starting all at once would delay the first responses until the last check has started, and
    that delay would be measured: 30 ms in the middle of 500 fast websites, against 3 ms.
    """
    loop = asyncio.get_running_loop()
    slot_at_s = loop.time() + slot_s - worker.now()
    for number, entry in enumerate(due, 1):
        begin_by_s = slot_at_s + entry.options.check_frequency
        running[loop.create_task(_probe(worker, entry, begin_by_s, slot_s))] = entry
        if number % _START_STEP == 0:
            await asyncio.sleep(0)


def _probe(
    worker: RegionWorker, entry: Entry, begin_by_s: float, slot_s: int
) -> Coroutine[Any, Any, Outcome]:
    if entry.encrypted is None:
        return worker.prober.check(entry.options, begin_by_s, is_in_doubt(entry.state), slot_s)
    return _probe_with_secrets(worker, entry, entry.encrypted, begin_by_s, slot_s)


async def _probe_with_secrets(
    worker: RegionWorker,
    entry: Entry,
    encrypted: Mapping[str, str],
    begin_by_s: float,
    slot_s: int,
) -> Outcome:
    """Not measured where secrets cannot be decrypted: without them it is not the same check."""
    try:
        options = worker.vault.decrypt(entry.options, encrypted)
    except SecretsUnreadable as error:
        return Outcome(Result.NOT_MEASURED, Reason.SECRETS_UNREADABLE, evidence=str(error))
    return await worker.prober.check(options, begin_by_s, is_in_doubt(entry.state), slot_s)


def _warn_unable(worker: RegionWorker, outcomes: Sequence[Outcome]) -> None:
    """Log, a line a batch, what this worker could not check for want of a key or a kind."""
    for reason, (event, advice) in _UNABLE.items():
        websites = sum(o.reason is reason for o in outcomes)
        if websites:
            log.warning(event, region=worker.region, websites=websites, help=advice)


async def _watch(
    worker: RegionWorker, late: Running, slot_s: int, begun_s: int, *, in_turn: bool
) -> None:
    """Process these checks whenever they end, outside the batch."""

    async def process(results: Sequence[CheckResult]) -> None:
        follow_up = await process_results(worker, results, slot_s, begun_s, in_turn=in_turn)
        await worker.send(follow_up)

    await worker.slow_checks.add(slot_s, late, process, in_turn=in_turn)
