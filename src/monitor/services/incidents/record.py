"""Recording flips: verdicts, quorum, incident and outbox rows in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from msgspec import structs

from monitor.channels import email
from monitor.domain import messages
from monitor.domain.incident import Event, Opening, Recipient, opening, quorum_down
from monitor.domain.messages import Outgoing
from monitor.domain.verdict import Flip, RegionState, Verdict, is_fresh
from monitor.runtime.logging import get_logger
from monitor.services.incidents.backfill import rounds_of
from monitor.storage.postgres import incidents, notifications, verdicts
from monitor.storage.postgres.pool import Connection, Pool, transaction
from monitor.storage.postgres.verdicts import Watched
from monitor.storage.redis.states import States

log = get_logger(__name__)

Held = dict[tuple[str, UUID], RegionState]
"""What regions hold about websites, live."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """What recording needs. ``recipients``: whom to tell where a website names nobody."""

    pool: Pool
    states: States
    recipients: tuple[str, ...]
    now: Callable[[], float]


async def record_flips(recorder: Recorder, flips: Sequence[Flip]) -> list[Outgoing]:
    """Record flips and decide what they make. Doing it twice changes nothing the second time."""
    ids = sorted({f.website_id for f in flips})
    queued: list[UUID] = []
    async with transaction(recorder.pool) as connection:
        await verdicts.lock(connection, ids)
        for each in await rounds_of(recorder.states, connection, flips):
            await verdicts.record(connection, each)
            concerned = sorted({f.website_id for f in each})
            queued += await decide(recorder, connection, concerned, each)
    await recorder.states.mark_recorded(flips)
    return messages.deliver_due(queued)


async def decide(
    recorder: Recorder, connection: Connection, ids: Sequence[UUID], flips: Sequence[Flip] = ()
) -> list[UUID]:
    """Open and resolve the incidents of these locked websites; returns the outbox rows queued.

    A region counts if its live verdict is fresh, or the check that a flip of it reports.
    """
    watched = await verdicts.watched(connection, ids)
    held = await recorder.states.read(_by_region(watched))
    reported = {(f.region, f.website_id): f.slot_s for f in flips}
    fresh = {w.website_id: _fresh(w, held, reported, recorder.now()) for w in watched}
    opened = await _open(recorder, connection, watched, fresh)
    resolved = await _resolve(recorder, connection, watched, fresh, flips)
    return opened + resolved


def _by_region(watched: Sequence[Watched]) -> dict[str, list[UUID]]:
    wanted: dict[str, list[UUID]] = {}
    for website in watched:
        for region in website.regions:
            wanted.setdefault(region, []).append(website.website_id)
    return wanted


def _fresh(
    website: Watched, held: Held, reported: dict[tuple[str, UUID], int], now_s: float
) -> set[str]:
    def counts(region: str) -> bool:
        # A report that comes very late does not make its region one that checks.
        slot_s = min(reported.get((region, website.website_id), 0), int(now_s))
        state = held.get((region, website.website_id))
        if state is not None and state.verdict is not Verdict.UNKNOWN:
            slot_s = max(slot_s, state.slot_s)
        return is_fresh(slot_s, website.check_frequency, website.request_timeout, now_s)

    return {region for region in website.regions if counts(region)}


async def _open(
    recorder: Recorder,
    connection: Connection,
    watched: Sequence[Watched],
    fresh: dict[UUID, set[str]],
) -> list[UUID]:
    openings: list[tuple[UUID, Opening]] = []
    for website in watched:
        made = opening(fresh[website.website_id], website.down)
        if made is not None and website.incident_id is None:
            # A new incident begins after the one before it ended, and is another one.
            started_at_s = max(
                made.started_at_s, website.last_resolved_s, website.last_started_s + 1
            )
            openings.append((website.website_id, structs.replace(made, started_at_s=started_at_s)))
    opened = await incidents.open_incidents(connection, openings)
    told = {w.website_id: w.recipients or recorder.recipients for w in watched}
    for website_id, incident in opened.items():
        log.info("incident.opened", website_id=str(website_id), incident_id=str(incident))
        if not told[website_id]:
            log.warning("incident.nobody_to_tell", website_id=str(website_id))
    recipients = [
        (incident, Recipient(email.KIND, address))
        for website_id, incident in opened.items()
        for address in told[website_id]
    ]
    return await notifications.queue(connection, Event.OPENED, recipients)


async def _resolve(
    recorder: Recorder,
    connection: Connection,
    watched: Sequence[Watched],
    fresh: dict[UUID, set[str]],
    flips: Sequence[Flip],
) -> list[UUID]:
    up_at = {f.website_id: f.at_s for f in flips if f.verdict is Verdict.UP}
    over: list[tuple[UUID, dt.datetime]] = []
    for w in watched:
        down = quorum_down(fresh[w.website_id], [v.region for v in w.down])
        if w.incident_id is not None and down is False:
            at_s = up_at.get(w.website_id, int(recorder.now()))
            over.append((w.incident_id, dt.datetime.fromtimestamp(at_s, dt.UTC)))
    resolved = await incidents.resolve_incidents(connection, over)
    for incident in resolved:
        log.info("incident.resolved", incident_id=str(incident))
    recipients = await notifications.opened_recipients(connection, sorted(resolved))
    return await notifications.queue(connection, Event.RESOLVED, recipients)
