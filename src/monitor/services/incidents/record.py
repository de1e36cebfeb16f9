"""Recording of flips: verdicts, quorum, incidents and outbox rows in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from msgspec import structs

from monitor.domain import messages
from monitor.domain.ids import sweep_id
from monitor.domain.incident import (
    Event,
    Opening,
    Recipient,
    lost_regions,
    opening,
    quorum_down,
)
from monitor.domain.messages import Outgoing
from monitor.domain.verdict import Flip, RegionState, Verdict, is_fresh
from monitor.runtime.logging import get_logger
from monitor.services.incidents.backfill import replay
from monitor.storage.postgres import closings, incidents, notifications, standings, verdicts
from monitor.storage.postgres import flips as flip_history
from monitor.storage.postgres.pool import Connection, Pool, transaction
from monitor.storage.postgres.verdicts import Watched
from monitor.storage.redis.states import States

log = get_logger(__name__)

RegionStates = dict[tuple[str, UUID], RegionState]
"""The current states of websites in their regions."""


@dataclass(frozen=True, slots=True)
class IncidentRecorder:
    """Records flips and decides about incidents.

    ``recipients``: whom to notify where a website has no recipients of its own. ``now`` returns
    Unix seconds.
    """

    pool: Pool
    states: States
    recipients: tuple[Recipient, ...]
    now: Callable[[], float]

    async def record(self, flips: Sequence[Flip]) -> list[Outgoing]:
        """Record flips and decide what follows. A second run changes nothing."""
        ids = sorted({f.website_id for f in flips})
        queued: list[UUID] = []
        async with transaction(self.pool) as connection:
            await verdicts.lock(connection, ids)
            for each in await replay(self.states, connection, flips):
                await verdicts.record(connection, each)
                await flip_history.record(connection, each)
                concerned = sorted({f.website_id for f in each})
                queued += await self.decide(connection, concerned, each)
        await self.states.mark_recorded(flips)
        return messages.deliver_due(queued)

    async def decide(
        self, connection: Connection, ids: Sequence[UUID], flips: Sequence[Flip] = ()
    ) -> list[UUID]:
        """Open and end incidents of these locked websites; returns the outbox rows queued.

        A region counts if its current verdict, or the check that one of the flips reports, is
        fresh.
        """
        watched = await verdicts.watched(connection, ids)
        states = await self.states.read(_by_region(watched))
        reported = {(f.region, f.website_id): f.slot_s for f in flips}
        fresh = {w.website_id: _fresh(w, states, reported, self.now()) for w in watched}
        opened = await self._open(connection, watched, fresh)
        over = [w for w in watched if _is_over(w, fresh[w.website_id])]
        up_at = {f.website_id: f.at_s for f in flips if f.verdict is Verdict.UP}
        closed = await self._close(connection, [w for w in over if _is_outvoted(w, up_at)])
        recovered = [w for w in over if not _is_outvoted(w, up_at)]
        resolved = await self._resolve(connection, recovered, up_at)
        await standings.note(connection, {i: bool(regions) for i, regions in fresh.items()})
        return opened + closed + resolved

    async def _open(
        self, connection: Connection, watched: Sequence[Watched], fresh: dict[UUID, set[str]]
    ) -> list[UUID]:
        openings = [
            (w.website_id, new)
            for w in watched
            if (new := _opening(w, fresh[w.website_id])) is not None
        ]
        opened = await incidents.open_incidents(connection, openings)
        notified = {w.website_id: w.recipients or self.recipients for w in watched}
        for website_id, incident in opened.items():
            log.info("incident.opened", website_id=str(website_id), incident_id=str(incident))
            if not notified[website_id]:
                log.warning("incident.nobody_to_tell", website_id=str(website_id))
        recipients = [
            (incident, recipient)
            for website_id, incident in opened.items()
            for recipient in notified[website_id]
        ]
        return await notifications.queue(connection, Event.OPENED, recipients)

    async def _close(self, connection: Connection, outvoted: Sequence[Watched]) -> list[UUID]:
        """End incidents whose websites nobody saw recover: regions of the quorum were removed."""
        ids = [w.incident_id for w in outvoted if w.incident_id is not None]
        for incident in ids:
            log.info("incident.closed", incident_id=str(incident))
        return await closings.end_outvoted(connection, ids, sweep_id(self.now()))

    async def _resolve(
        self, connection: Connection, recovered: Sequence[Watched], up_at: Mapping[UUID, int]
    ) -> list[UUID]:
        over: list[tuple[UUID, dt.datetime]] = []
        for w in recovered:
            if w.incident_id is not None:
                at_s = up_at.get(w.website_id, int(self.now()))
                over.append((w.incident_id, dt.datetime.fromtimestamp(at_s, dt.UTC)))
        resolved = await incidents.resolve_incidents(connection, over)
        for incident in resolved:
            log.info("incident.resolved", incident_id=str(incident))
        recipients = await notifications.opened_recipients(connection, sorted(resolved))
        return await notifications.queue(connection, Event.RESOLVED, recipients)


def _by_region(watched: Sequence[Watched]) -> dict[str, list[UUID]]:
    ids: dict[str, list[UUID]] = {}
    for website in watched:
        for region in website.regions:
            ids.setdefault(region, []).append(website.website_id)
    return ids


def _fresh(
    website: Watched,
    states: RegionStates,
    reported: dict[tuple[str, UUID], int],
    now_s: float,
) -> set[str]:
    def counts(region: str) -> bool:
        # A very late report does not make its region an active one.
        slot_s = min(reported.get((region, website.website_id), 0), int(now_s))
        state = states.get((region, website.website_id))
        if state is not None and state.verdict is not Verdict.UNKNOWN:
            slot_s = max(slot_s, state.slot_s)
        return is_fresh(slot_s, website.check_frequency, website.request_timeout, now_s)

    return {region for region in website.regions if counts(region)}


def _is_over(website: Watched, fresh: set[str]) -> bool:
    """Whether its open incident ends: without a quorum, or if no region checks it any more."""
    if website.incident_id is None:
        return False
    down = quorum_down(fresh, [v.region for v in website.down])
    return down is False or not website.regions


def _is_outvoted(website: Watched, up_at: Mapping[UUID, int]) -> bool:
    """Whether its incident ends although no region reports a recovery: some were removed."""
    lost = lost_regions(website.incident_regions, website.regions)
    return bool(lost) and website.website_id not in up_at


def _opening(website: Watched, fresh: set[str]) -> Opening | None:
    """The incident to open, if any. It starts after the website's last incident ended."""
    new = opening(fresh, website.down)
    if new is None or website.incident_id is not None:
        return None
    started_at_s = max(new.started_at_s, website.last_resolved_s, website.last_started_s + 1)
    return structs.replace(new, started_at_s=started_at_s)
