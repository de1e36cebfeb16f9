"""Checking websites from one region: probe, decide, store, and say what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.domain import messages
from monitor.domain.errors import Unavailable
from monitor.domain.messages import CheckBatch, CheckWebsites, Outgoing
from monitor.domain.outcome import NETWORK_REASONS, Outcome, Reason, Result, Tick, tick_of
from monitor.domain.ring import Ring
from monitor.domain.verdict import RECHECK_AFTER_S, decide, flip_of
from monitor.domain.website import CheckOptions
from monitor.logs import get_logger
from monitor.storage.redis.projection import Entry, Projection
from monitor.storage.redis.regions import (
    DROPPED_BATCHES,
    DROPPED_TICKS,
    NOT_MEASURED,
    RegionReport,
    Regions,
)
from monitor.storage.redis.states import StateChange, States
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.ticks.contract import TickStore

log = get_logger(__name__)

_LATE_CHECK_S = 60
"""A check out of turn that waited longer than this is left to the website's next slot."""


class Prober(Protocol):
    """Makes one check. Never raises."""

    async def check(self, options: CheckOptions) -> Outcome: ...


class Witness(Protocol):
    """Knows whether this region still has a network."""

    async def has_network(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class RegionWorker:
    """What checking needs. ``now`` gives Unix seconds."""

    region: str
    projection: Projection
    states: States
    regions: Regions
    ticks: TickStore
    buffer: TickBuffer
    prober: Prober
    witness: Witness
    now: Callable[[], float]


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


async def _check(worker: RegionWorker, entries: Sequence[Entry], slot_s: int) -> list[Outgoing]:
    due = [e for e in entries if e.state.slot_s < slot_s]
    if not due:
        return []
    outcomes = await asyncio.gather(*(worker.prober.check(e.options) for e in due))
    network = await _network(worker, outcomes)
    measured = list(outcomes) if network else [_without_network(o) for o in outcomes]
    await _store_ticks(worker, due, measured, slot_s)
    changes = _changes(worker.region, due, measured, slot_s)
    stored = await worker.states.write(worker.region, [change for change, _ in changes])
    await _report(worker, measured, slot_s, network=network)
    return _follow_up(
        worker.region, stored, {c.website_id for c, again in changes if again}, slot_s
    )


async def _network(worker: RegionWorker, outcomes: Sequence[Outcome]) -> bool:
    if not any(o.reason in NETWORK_REASONS for o in outcomes):
        return True
    return await worker.witness.has_network()


def _without_network(outcome: Outcome) -> Outcome:
    """What a failure says once it is known that the region itself had no network: nothing."""
    if outcome.reason in NETWORK_REASONS:
        return Outcome(Result.NOT_MEASURED, Reason.REGION_OFFLINE)
    return outcome


async def _store_ticks(
    worker: RegionWorker, due: Sequence[Entry], outcomes: Sequence[Outcome], slot_s: int
) -> None:
    made = (
        tick_of(e.website_id, worker.region, slot_s, o) for e, o in zip(due, outcomes, strict=True)
    )
    ticks = [tick for tick in made if tick is not None]
    if not ticks:
        return
    try:
        await worker.ticks.write(ticks)
    except Unavailable as error:
        await _keep(worker, ticks, error)


async def _keep(worker: RegionWorker, ticks: list[Tick], error: Unavailable) -> None:
    dropped = await worker.buffer.push(ticks)
    log.warning("ticks.kept_for_later", ticks=len(ticks), dropped_chunks=dropped, error=str(error))
    if dropped:
        await worker.regions.count(worker.region, DROPPED_TICKS, dropped)


def _changes(
    region: str, due: Sequence[Entry], outcomes: Sequence[Outcome], slot_s: int
) -> list[tuple[StateChange, bool]]:
    """The states to store, each with whether to look again soon."""
    changes = []
    for entry, outcome in zip(due, outcomes, strict=True):
        decision = decide(entry.state, outcome, slot_s)
        if decision is None:
            continue
        flip = flip_of(entry.website_id, region, decision, outcome) if decision.report else None
        change = StateChange(entry.website_id, entry.state.slot_s, decision.state, flip)
        changes.append((change, decision.recheck))
    return changes


def _follow_up(
    region: str, stored: Sequence[StateChange], suspects: set[object], slot_s: int
) -> list[Outgoing]:
    """Messages for what was stored: flips to record, suspects to look at again."""
    follow: list[Outgoing] = []
    flips = [c.flip for c in stored if c.flip is not None]
    if flips:
        follow.append(messages.record_flips(flips))
    again = [c.website_id for c in stored if c.website_id in suspects]
    if again:
        recheck = CheckWebsites(
            region=region, website_ids=again, slot_ms=(slot_s + RECHECK_AFTER_S) * 1000
        )
        follow.append(messages.check_websites(recheck))
    return follow


async def _report(
    worker: RegionWorker, outcomes: Sequence[Outcome], slot_s: int, *, network: bool
) -> None:
    lost = sum(o.result is Result.NOT_MEASURED for o in outcomes)
    up = sum(o.result is Result.UP for o in outcomes)
    if not network:
        log.error("region.network_lost", region=worker.region)
    report = RegionReport(int(worker.now()), "ok" if network else "lost")
    await worker.regions.report(worker.region, report, {NOT_MEASURED: lost})
    log.info(
        "batch.checked",
        region=worker.region,
        slot_s=slot_s,
        websites=len(outcomes),
        up=up,
        down=len(outcomes) - up - lost,
        not_measured=lost,
    )
