"""The sweep that finds which websites are not measured, and which are again.

Flips say which are down. That nothing is measured, nobody says: whether a verdict is still fresh is
looked at once an interval, some minutes after the slot with which it would have become stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from monitor.domain.ring import MINUTE_S, Ring, arcs_of_window, batches_of_arc
from monitor.domain.series import DAY_S
from monitor.domain.verdict import RegionState, Verdict, is_fresh
from monitor.runtime.logging import get_logger
from monitor.storage.postgres import changes, standings
from monitor.storage.postgres.pool import Pool, session, transaction
from monitor.storage.postgres.standings import Watch
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.staleness import Staleness
from monitor.storage.redis.states import States

log = get_logger(__name__)

RegionStates = dict[tuple[str, UUID], RegionState]

_LOOK_AFTER_S = 3 * MINUTE_S
"""A verdict is stale a time-out, at most a minute, and a minute after the second slot that was
missed, and a minute's batches take a minute."""

_SHORTEST_TIMEOUT_S = 1
_ARC = 1000
"""Websites that one script in Redis looks at: less than a millisecond."""

_CHUNK = 500
_MAX_RETURNING = 200_000
"""Websites that stand as not measured and are looked at in one sweep."""


@dataclass(slots=True)
class StandingSweep:
    """``now`` returns Unix seconds. ``_after``: where the last sweep stopped among those that stand
    as not measured, if it did not come to the end."""

    pool: Pool
    projection: Projection
    staleness: Staleness
    states: States
    now: Callable[[], float]
    _after: UUID | None = None

    async def run(self) -> int:
        """Note who is not measured any more, and who is again; returns how many stand differently.

        Raises Unavailable.
        """
        changed = await self._returned()
        until_s = int(self.now() - _LOOK_AFTER_S) // MINUTE_S * MINUTE_S
        swept_s = await self.staleness.swept()
        # A clock that was ahead, or a first sweep: just the last minute.
        since_s = until_s - MINUTE_S if swept_s is None or swept_s > until_s else swept_s
        async with session(self.pool) as connection:
            regions = await changes.region_names(connection)
        for ring in await self.projection.rings():
            changed += await self._stale(ring, max(since_s, until_s - DAY_S), until_s, regions)
        await self.staleness.note_swept(until_s)
        if changed:
            log.info("standings.changed", websites=changed)
        return changed

    async def _stale(self, ring: Ring, since_s: int, until_s: int, regions: Sequence[str]) -> int:
        """Look at the websites of a ring that were due in this time; each once."""
        changed = 0
        freshness_s = 2 * ring.interval_s + _SHORTEST_TIMEOUT_S + MINUTE_S
        arcs = list(
            arcs_of_window(ring.interval_s, max(since_s, until_s - ring.interval_s), until_s)
        )
        counts = await self.projection.counts(ring, [(a.lo, a.hi) for a in arcs])
        for arc, count in zip(arcs, counts, strict=True):
            for part in batches_of_arc(arc, ring.interval_s, count, _ARC):
                oldest_s = int(self.now()) - freshness_s
                ids = await self.staleness.stale(ring, part.lo, part.hi, regions, oldest_s)
                changed += await self._note(ids)
        return changed

    async def _returned(self) -> int:
        """Look at those that stand as not measured."""
        changed = 0
        for _ in range(_MAX_RETURNING // _CHUNK):
            async with session(self.pool) as connection:
                ids = await standings.not_measured(connection, self._after, _CHUNK)
            changed += await self._note(ids)
            self._after = ids[-1] if len(ids) == _CHUNK else None
            if self._after is None:
                break
        return changed

    async def _note(self, ids: Sequence[UUID]) -> int:
        """Note of these websites whether they are measured."""
        changed, remaining = 0, iter(ids)
        while chunk := list(islice(remaining, _CHUNK)):
            async with session(self.pool) as connection:
                watches = await standings.watches(connection, chunk)
            measured = await self._measured(watches)
            async with transaction(self.pool) as connection:
                changed += await standings.note(connection, measured)
        return changed

    async def _measured(self, watches: Sequence[Watch]) -> dict[UUID, bool]:
        by_region: dict[str, list[UUID]] = {}
        for watch in watches:
            for region in watch.regions:
                by_region.setdefault(region, []).append(watch.website_id)
        states = await self.states.read(by_region)
        return {w.website_id: any(self._fresh(w, states)) for w in watches}

    def _fresh(self, watch: Watch, states: RegionStates) -> Iterator[bool]:
        """Of each region whether it has a verdict that counts."""
        for region in watch.regions:
            state = states.get((region, watch.website_id))
            if state is not None and state.verdict is not Verdict.UNKNOWN:
                times = (watch.check_frequency, watch.request_timeout)
                yield is_fresh(state.slot_s, *times, self.now())
