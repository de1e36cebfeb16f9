"""What follows from checks that ended: ticks, states, flips to record, suspects to re-check."""

from __future__ import annotations

import time
from collections.abc import Sequence

from monitor.domain import messages
from monitor.domain.errors import Unavailable
from monitor.domain.messages import CheckWebsites, Outgoing
from monitor.domain.outcome import NETWORK_REASONS, Outcome, Reason, Result, Tick, tick_of
from monitor.domain.verdict import RECHECK_AFTER_S, decide, flip_of, seen_at
from monitor.runtime.logging import get_logger
from monitor.services.checks.region_worker import RegionWorker
from monitor.services.checks.slow_checks import Measured
from monitor.services.checks.ticks import late_hours
from monitor.storage.redis.projection import Entry
from monitor.storage.redis.regions import (
    CHECKED_DOWN,
    CHECKED_UP,
    DROPPED_TICKS,
    NOT_MEASURED,
    RegionReport,
)
from monitor.storage.redis.states import StateChange

log = get_logger(__name__)

_TRIES = 3
"""Checks of one website that overlap: its slot's, one out of turn, a re-check."""


async def settle(
    worker: RegionWorker, checked: Sequence[Measured], slot_s: int, begun_s: int
) -> list[Outgoing]:
    """Store what these checks of one slot found; returns the messages that follow.

    ``begun_s``: when they were begun, later than the slot where their batch was late. Raises
    Unavailable without Redis. Ticks that their store refuses are kept for later.
    """
    due = [entry for entry, _ in checked]
    outcomes = [outcome for _, outcome in checked]
    network = await _network(worker, outcomes, begun_s)
    measured = outcomes if network else [_without_network(o) for o in outcomes]
    await _store_ticks(worker, due, measured, slot_s)
    seen_s, pairs = seen_at(slot_s, begun_s), list(zip(due, measured, strict=True))
    stored = await _store_states(worker, pairs, slot_s, seen_s)
    await _report(worker, measured, slot_s, network=network)
    flips = sum(change.flip is not None for change, _ in stored)
    worker.meter.settled(measured, flips, worker.now() - slot_s)
    return _follow_up(worker.region, stored, seen_s)


async def _network(worker: RegionWorker, outcomes: Sequence[Outcome], begun_s: int) -> bool:
    """Whether the region had a network while these checks were made, if there is any doubt."""
    if not any(o.reason in NETWORK_REASONS for o in outcomes):
        return True
    return await worker.witness.has_network(max(worker.now() - begun_s, 0.0))


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
    began = time.monotonic()
    try:
        await worker.ticks.write(ticks)
    except Unavailable as error:
        await _keep(worker, ticks, error)
        return
    worker.meter.wrote_ticks(len(ticks), time.monotonic() - began)
    # Before the states: whoever dies in between makes these checks again, and notes it then.
    if late := late_hours(ticks, worker.now()):
        await worker.buffer.note_late(late)


async def _keep(worker: RegionWorker, ticks: list[Tick], error: Unavailable) -> None:
    dropped = await worker.buffer.push(ticks)
    worker.meter.kept_ticks(len(ticks), dropped)
    log.warning("ticks.kept_for_later", ticks=len(ticks), dropped_chunks=dropped, error=str(error))
    if dropped:
        await worker.regions.count(worker.region, DROPPED_TICKS, dropped)


Decided = tuple[StateChange, bool]
"""A state to store, and whether to look at the website again soon."""


async def _store_states(
    worker: RegionWorker, checked: Sequence[Measured], slot_s: int, seen_s: int
) -> list[Decided]:
    """Decide and store; returns what was stored.

    Where another check of the website was stored meanwhile, it is decided again on top of that,
    if this one is the later: it may be the one that tells.
    """
    stored: list[Decided] = []
    for _ in range(_TRIES):
        changes = _changes(worker.region, checked, slot_s, seen_s)
        decided = {c.website_id: (c, a) for c, a in changes}
        written = await worker.states.write(worker.region, [c for c, _ in decided.values()])
        stored += [decided.pop(change.website_id) for change in written]
        if not decided:
            break
        checked = await _again(worker, [m for m in checked if m[0].website_id in decided])
    return stored


async def _again(worker: RegionWorker, lost: Sequence[Measured]) -> list[Measured]:
    """The same outcomes on the states of now; those of websites that are gone are left out."""
    entries = await worker.projection.read_websites(worker.region, [e.website_id for e, _ in lost])
    outcomes = {entry.website_id: outcome for entry, outcome in lost}
    return [(entry, outcomes[entry.website_id]) for entry in entries]


def _changes(region: str, checked: Sequence[Measured], slot_s: int, seen_s: int) -> list[Decided]:
    changes = []
    for entry, outcome in checked:
        decision = decide(entry.state, outcome, slot_s, seen_s)
        if decision is None:
            continue
        flip = flip_of(entry.website_id, region, decision, outcome) if decision.report else None
        change = StateChange(entry.website_id, entry.state.slot_s, decision.state, flip)
        changes.append((change, decision.recheck))
    return changes


def _follow_up(region: str, stored: Sequence[Decided], seen_s: int) -> list[Outgoing]:
    """Messages for what was stored: flips to record, suspects to look at again."""
    follow: list[Outgoing] = []
    flips = [change.flip for change, _ in stored if change.flip is not None]
    if flips:
        follow.append(messages.record_flips(flips))
    suspects = [change.website_id for change, again in stored if again]
    if suspects:
        recheck = CheckWebsites(
            region=region, website_ids=suspects, slot_ms=(seen_s + RECHECK_AFTER_S) * 1000
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
    down = len(outcomes) - up - lost
    report = RegionReport(int(worker.now()), "ok" if network else "lost")
    counts = {NOT_MEASURED: lost, CHECKED_UP: up, CHECKED_DOWN: down}
    await worker.regions.report(worker.region, report, counts)
    log.info(
        "batch.checked",
        region=worker.region,
        slot_s=slot_s,
        websites=len(outcomes),
        up=up,
        down=down,
        not_measured=lost,
    )
