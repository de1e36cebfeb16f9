"""Backfill: outages that flips imply, and that came and went without being recorded."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from monitor.domain.backfill import missing_down_flips, replay_rounds
from monitor.domain.verdict import Flip
from monitor.storage.postgres import changes, history, verdicts
from monitor.storage.postgres.pool import Connection
from monitor.storage.redis.states import States


async def replay(
    states: States, connection: Connection, flips: Sequence[Flip]
) -> list[Sequence[Flip]]:
    """The flips in rounds, to be recorded and decided one round after the other: usually one.

    Where the beginning of an outage is missing, the unrecorded flips of other regions are
    included, because only the regions together decide whether a website was down. The websites
    are locked.
    """
    backfilled = await _backfill(connection, flips)
    if not backfilled:
        return [flips]
    ids = {flip.website_id for flip in backfilled}
    reported = {(f.region, f.website_id, f.slot_s) for f in flips}
    others = [
        f
        for f in await _unrecorded(states, connection, ids)
        if (f.region, f.website_id, f.slot_s) not in reported
    ]
    backfilled += await _backfill(connection, others)
    return list(replay_rounds([*flips, *others], backfilled))


async def _backfill(connection: Connection, flips: Sequence[Flip]) -> list[Flip]:
    ids = sorted({f.website_id for f in flips if f.ended is not None})
    if not ids:
        return []
    recorded = await verdicts.recorded(connection, ids)
    resolved = await history.last_resolved(connection, ids)
    resolved_s = {website_id: int(at.timestamp()) for website_id, at in resolved.items()}
    return missing_down_flips(flips, recorded, resolved_s)


async def _unrecorded(states: States, connection: Connection, ids: set[UUID]) -> list[Flip]:
    regions = await changes.region_names(connection)
    return [f for region in regions for f in await states.unrecorded(region, sorted(ids))]
