"""Processing of check results: ticks, states, flips to record, suspects to re-check."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from monitor.domain import messages
from monitor.domain.errors import Unavailable
from monitor.domain.messages import CheckWebsites, Outgoing
from monitor.domain.outcome import NETWORK_REASONS, Outcome, Reason, Result, Tick, tick_of
from monitor.domain.verdict import RECHECK_AFTER_S, decide, flip_of, seen_at
from monitor.runtime.logging import get_logger
from monitor.services.checks.region_worker import RegionWorker
from monitor.services.checks.slow_checks import CheckResult
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
"""How many checks of a website can overlap: its slot's, an unscheduled one, a re-check."""


async def process_results(
    worker: RegionWorker,
    results: Sequence[CheckResult],
    slot_s: int,
    begun_s: int,
    *,
    in_turn: bool,
) -> list[Outgoing]:
    """Store the results of these checks of one slot; returns the messages that follow.

    ``begun_s``: when they started, later than the slot if their batch was late. ``in_turn``: they
    fill slots. Raises Unavailable without Redis. Ticks that the tick store does not accept are
    buffered.
    """
    entries = [entry for entry, _ in results]
    outcomes = [outcome for _, outcome in results]
    network = await _has_network(worker, outcomes, begun_s)
    if not network:
        outcomes = [_without_network(o) for o in outcomes]
    await _store_ticks(worker, entries, outcomes, slot_s, in_turn=in_turn)
    seen_s, results = seen_at(slot_s, begun_s), list(zip(entries, outcomes, strict=True))
    stored = await _store_states(worker, results, slot_s, seen_s)
    await _report(worker, outcomes, slot_s, network=network)
    flips = sum(change.flip is not None for change, _ in stored)
    worker.meter.settled(outcomes, flips, worker.now() - slot_s)
    return _follow_up(worker.region, stored, seen_s)


async def _has_network(worker: RegionWorker, outcomes: Sequence[Outcome], begun_s: int) -> bool:
    """Whether the region had a network during these checks; probed only if there is a doubt."""
    if not any(o.reason in NETWORK_REASONS for o in outcomes):
        return True
    return await worker.connectivity.has_network(max(worker.now() - begun_s, 0.0))


def _without_network(outcome: Outcome) -> Outcome:
    """Without a network in the region, a network failure is not a measurement."""
    if outcome.reason in NETWORK_REASONS:
        return Outcome(Result.NOT_MEASURED, Reason.REGION_OFFLINE)
    return outcome


async def _store_ticks(
    worker: RegionWorker,
    entries: Sequence[Entry],
    outcomes: Sequence[Outcome],
    slot_s: int,
    *,
    in_turn: bool,
) -> None:
    pairs = zip(entries, outcomes, strict=True)
    measured = (
        tick_of(e.website_id, worker.region, slot_s, o, out_of_turn=not in_turn) for e, o in pairs
    )
    ticks = [tick for tick in measured if tick is not None]
    if not ticks:
        return
    began = time.monotonic()
    try:
        await worker.ticks.write(ticks)
    except Unavailable as error:
        await _buffer(worker, ticks, error)
        return
    worker.meter.wrote_ticks(len(ticks), time.monotonic() - began)
    # Before the states: after a crash in between, the checks are repeated and noted then.
    if late := late_hours(ticks, worker.now()):
        await worker.buffer.note_late(late)


async def _buffer(worker: RegionWorker, ticks: list[Tick], error: Unavailable) -> None:
    dropped = await worker.buffer.push(ticks)
    worker.meter.kept_ticks(len(ticks), dropped)
    log.warning("ticks.kept_for_later", ticks=len(ticks), dropped_chunks=dropped, error=str(error))
    if dropped:
        await worker.regions.count(worker.region, DROPPED_TICKS, dropped)


Decided = tuple[StateChange, bool]
"""A state to store, and whether to re-check the website soon."""


async def _store_states(
    worker: RegionWorker, results: Sequence[CheckResult], slot_s: int, seen_s: int
) -> list[Decided]:
    """Decide and store; returns what was stored.

    Where another check of the website was stored meanwhile, decide again on top of it, provided
    that this check is the later one: it may be the one that flips.
    """
    stored: list[Decided] = []
    for _ in range(_TRIES):
        changes = _changes(worker.region, results, slot_s, seen_s)
        decided = {c.website_id: (c, recheck) for c, recheck in changes}
        written = await worker.states.write(worker.region, [c for c, _ in decided.values()])
        stored += [decided.pop(change.website_id) for change in written]
        if not decided:
            break
        results = await _reread(worker, [r for r in results if r[0].website_id in decided])
    return stored


async def _reread(worker: RegionWorker, lost: Sequence[CheckResult]) -> list[CheckResult]:
    """The same outcomes with the current states; deleted websites are dropped."""
    entries = await worker.projection.read_websites(worker.region, [e.website_id for e, _ in lost])
    outcomes = {entry.website_id: outcome for entry, outcome in lost}
    return [(entry, outcomes[entry.website_id]) for entry in entries]


def _changes(
    region: str, results: Sequence[CheckResult], slot_s: int, seen_s: int
) -> list[Decided]:
    changes = []
    for entry, outcome in results:
        decision = decide(entry.state, outcome, slot_s, seen_s)
        if decision is None:
            continue
        flip = flip_of(entry.website_id, region, decision, outcome) if decision.report else None
        change = StateChange(entry.website_id, entry.state.slot_s, decision.state, flip)
        changes.append((change, decision.recheck))
    return changes


def _follow_up(region: str, stored: Sequence[Decided], seen_s: int) -> list[Outgoing]:
    """Messages for what was stored: flips to record, suspects to re-check."""
    follow_up: list[Outgoing] = []
    flips = [change.flip for change, _ in stored if change.flip is not None]
    if flips:
        follow_up.append(messages.record_flips(flips))
    suspects = [change.website_id for change, recheck in stored if recheck]
    if suspects:
        message = CheckWebsites(
            region=region, website_ids=suspects, slot_ms=(seen_s + RECHECK_AFTER_S) * 1000
        )
        follow_up.append(messages.check_websites(message))
    return follow_up


async def _report(
    worker: RegionWorker, outcomes: Sequence[Outcome], slot_s: int, *, network: bool
) -> None:
    not_measured = sum(o.result is Result.NOT_MEASURED for o in outcomes)
    up = sum(o.result is Result.UP for o in outcomes)
    if not network:
        log.error("region.network_lost", region=worker.region)
    down = len(outcomes) - up - not_measured
    report = RegionReport(int(worker.now()), "ok" if network else "lost")
    counts = {NOT_MEASURED: not_measured, CHECKED_UP: up, CHECKED_DOWN: down}
    await worker.regions.report(worker.region, report, counts)
    log.info(
        "batch.checked",
        region=worker.region,
        slot_s=slot_s,
        websites=len(outcomes),
        up=up,
        down=down,
        not_measured=not_measured,
        **_why_not_measured(outcomes),
    )


def _why_not_measured(outcomes: Sequence[Outcome]) -> dict[str, Counter[str]]:
    """What to log of the checks that measured nothing: how many for each reason."""
    reasons = [o.reason or "" for o in outcomes if o.result is Result.NOT_MEASURED]
    return {"not_measured_for": Counter(reasons)} if reasons else {}
