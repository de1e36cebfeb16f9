"""The minutely sweep: whatever an event missed is found by comparing the stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from monitor.domain import messages
from monitor.domain.messages import Outgoing
from monitor.domain.verdict import CONFIRMATIONS, Flip, RegionState, Verdict, is_ahead
from monitor.services.incidents.record import IncidentRecorder
from monitor.storage.postgres import changes, notifications, verdicts
from monitor.storage.postgres.pool import transaction
from monitor.storage.postgres.verdicts import RecordedDown

_CHUNK = 500
_IN_FLIGHT_S = 20
"""Younger flips may still be on their way as messages."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Repairs what was missed, through the recorder."""

    recorder: IncidentRecorder

    async def run(self) -> list[Outgoing]:
        """Record unrecorded flips, decide what changes with time, and deliver what is due."""
        flips = await self._unrecorded() + await self._contradicted()
        outgoing: list[Outgoing] = []
        for start in range(0, len(flips), _CHUNK):
            outgoing += await self.recorder.record(flips[start : start + _CHUNK])
        outgoing += await self._decide_again()
        async with transaction(self.recorder.pool) as connection:
            due = await notifications.due(connection, limit=1)
        return outgoing or messages.deliver_due(due)

    async def _unrecorded(self) -> list[Flip]:
        """Flips that a region reported and that may not be recorded."""
        async with transaction(self.recorder.pool) as connection:
            regions = await changes.region_names(connection)
        flips = [f for region in regions for f in await self.recorder.states.unrecorded(region)]
        return [f for f in flips if _is_settled(f.slot_s, self.recorder.now())]

    async def _contradicted(self) -> list[Flip]:
        """Flips to up for verdicts recorded as down whose region has since found the website up.

        Where Redis has lost the state of the region, it is restored from the recorded verdict.
        """
        async with transaction(self.recorder.pool) as connection:
            recorded = await verdicts.recorded_down(connection)
        states = await self._states(recorded)
        return [
            Flip(row.website_id, row.region, Verdict.UP, state.since_s, state.slot_s)
            for row in recorded
            if (state := states.get((row.region, row.website_id))) is not None
            and state.verdict is Verdict.UP
            and (state.slot_s > row.slot_s or is_ahead(row.slot_s, self.recorder.now()))
            and _is_settled(state.slot_s, self.recorder.now())
        ]

    async def _states(
        self, recorded: Sequence[RecordedDown]
    ) -> dict[tuple[str, UUID], RegionState]:
        """The states of these verdicts; lost ones are restored, and absent from the result."""
        by_region: dict[str, list[RecordedDown]] = {}
        for row in recorded:
            by_region.setdefault(row.region, []).append(row)
        states = await self.recorder.states.read(
            {region: [r.website_id for r in rows] for region, rows in by_region.items()}
        )
        for region, rows in by_region.items():
            lost = {
                r.website_id: _restored(r) for r in rows if (region, r.website_id) not in states
            }
            if lost:
                await self.recorder.states.seed(region, lost)
        return states

    async def _decide_again(self) -> list[Outgoing]:
        """Decide about every website with a recorded down verdict or an open incident.

        No flip reports that a verdict has become stale; a look every minute finds it.
        """
        async with transaction(self.recorder.pool) as connection:
            remaining = iter(await verdicts.undecided(connection))
        queued: list[UUID] = []
        while ids := list(islice(remaining, _CHUNK)):
            queued += await self._decide_chunk(ids)
        return messages.deliver_due(queued)

    async def _decide_chunk(self, ids: Sequence[UUID]) -> list[UUID]:
        async with transaction(self.recorder.pool) as connection:
            await verdicts.lock(connection, ids)
            return await self.recorder.decide(connection, ids)


def _is_settled(slot_s: int, now_s: float) -> bool:
    """Whether the result of a check of this slot can no longer be on its way."""
    return now_s - slot_s > _IN_FLIGHT_S or is_ahead(slot_s, now_s)


def _restored(row: RecordedDown) -> RegionState:
    """The state for a recorded verdict: down, and not checked since."""
    return RegionState(
        verdict=Verdict.DOWN,
        since_s=row.at_s,
        failures=CONFIRMATIONS,
        first_failure_s=row.at_s,
        reason=row.reason,
    )
