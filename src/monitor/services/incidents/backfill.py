"""Looking back: what flips tell of that has come and gone without being recorded."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from monitor.domain.backfill import in_turn, missed_beginnings
from monitor.domain.verdict import Flip
from monitor.storage.postgres import changes, history, verdicts
from monitor.storage.postgres.pool import Connection
from monitor.storage.redis.states import States


async def rounds_of(
    states: States, connection: Connection, flips: Sequence[Flip]
) -> list[Sequence[Flip]]:
    """What to record and decide together, one round after the other: nearly always all at once.

    Where a beginning was missed, what other regions found meanwhile is taken along, as far as it is
    not recorded either: whether a website was down is for the regions to say together. The
    websites are locked.
    """
    missed = await _missed(connection, flips)
    if not missed:
        return [flips]
    ids = {m.website_id for m in missed}
    known = {(f.region, f.website_id, f.slot_s) for f in flips}
    others = [
        f
        for f in await _unrecorded(states, connection, ids)
        if (f.region, f.website_id, f.slot_s) not in known
    ]
    missed += await _missed(connection, others)
    return list(in_turn([*flips, *others], missed))


async def _missed(connection: Connection, flips: Sequence[Flip]) -> list[Flip]:
    ids = sorted({f.website_id for f in flips if f.ended is not None})
    if not ids:
        return []
    recorded = await verdicts.recorded(connection, ids)
    resolved = await history.last_resolved(connection, ids)
    resolved_s = {website_id: int(at.timestamp()) for website_id, at in resolved.items()}
    return missed_beginnings(flips, recorded, resolved_s)


async def _unrecorded(states: States, connection: Connection, ids: set[UUID]) -> list[Flip]:
    regions = await changes.region_names(connection)
    return [f for region in regions for f in await states.unrecorded(region, sorted(ids))]
