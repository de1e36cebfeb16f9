"""The minute sweep: whatever an edge missed is found again by looking at what is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from uuid import UUID

from monitor.domain import messages
from monitor.domain.messages import Outgoing
from monitor.domain.verdict import CONFIRMATIONS, Flip, RegionState, Verdict, is_ahead
from monitor.services.incidents.record import Recorder, decide, record_flips
from monitor.storage.postgres import changes, notifications, verdicts
from monitor.storage.postgres.pool import transaction
from monitor.storage.postgres.verdicts import RecordedDown

_CHUNK = 500
_SETTLE_S = 20
"""Younger flips are still on their way as messages."""


async def sweep(recorder: Recorder) -> list[Outgoing]:
    """Record flips nobody recorded, decide what time decides, and deliver what was left."""
    flips = await _unrecorded(recorder) + await _contradicted(recorder)
    found: list[Outgoing] = []
    for start in range(0, len(flips), _CHUNK):
        found += await record_flips(recorder, flips[start : start + _CHUNK])
    found += await _decide_again(recorder)
    async with transaction(recorder.pool) as connection:
        left = await notifications.due(connection, limit=1)
    return found or messages.deliver_due(left)


async def _unrecorded(recorder: Recorder) -> list[Flip]:
    """Flips that a region reported and that are not known to be recorded."""
    async with transaction(recorder.pool) as connection:
        regions = await changes.region_names(connection)
    flips = [f for region in regions for f in await recorder.states.unrecorded(region)]
    return [f for f in flips if _is_settled(f.slot_s, recorder.now())]


def _is_settled(slot_s: int, now_s: float) -> bool:
    """Whether what a check of this slot found is on its way no longer."""
    return now_s - slot_s > _SETTLE_S or is_ahead(slot_s, now_s)


async def _contradicted(recorder: Recorder) -> list[Flip]:
    """Verdicts recorded as down that their region has since found up.

    Where the region holds nothing at all, because Redis lost it, it is told what was recorded.
    """
    async with transaction(recorder.pool) as connection:
        recorded = await verdicts.recorded_down(connection)
    by_region: dict[str, list[RecordedDown]] = {}
    for row in recorded:
        by_region.setdefault(row.region, []).append(row)
    held = await recorder.states.read(
        {region: [r.website_id for r in rows] for region, rows in by_region.items()}
    )
    for region, rows in by_region.items():
        lost = {r.website_id: _remembered(r) for r in rows if (region, r.website_id) not in held}
        if lost:
            await recorder.states.seed(region, lost)
    return [
        Flip(row.website_id, row.region, Verdict.UP, state.since_s, state.slot_s)
        for row in recorded
        if (state := held.get((row.region, row.website_id))) is not None
        and state.verdict is Verdict.UP
        and (state.slot_s > row.slot_s or is_ahead(row.slot_s, recorder.now()))
        and _is_settled(state.slot_s, recorder.now())
    ]


def _remembered(row: RecordedDown) -> RegionState:
    """The state that a recorded verdict stands for: down, and not checked since."""
    return RegionState(
        verdict=Verdict.DOWN,
        since_s=row.at_s,
        failures=CONFIRMATIONS,
        first_failure_s=row.at_s,
        reason=row.reason,
    )


async def _decide_again(recorder: Recorder) -> list[Outgoing]:
    """Decide about every website that some region holds down or that has an open incident.

    No flip tells that a verdict has grown old; looking each minute does.
    """
    async with transaction(recorder.pool) as connection:
        remaining = iter(await verdicts.undecided(connection))
    queued: list[UUID] = []
    while ids := list(islice(remaining, _CHUNK)):
        queued += await _decide_chunk(recorder, ids)
    return messages.deliver_due(queued)


async def _decide_chunk(recorder: Recorder, ids: Sequence[UUID]) -> list[UUID]:
    async with transaction(recorder.pool) as connection:
        await verdicts.lock(connection, ids)
        return await decide(recorder, connection, ids)
