"""The downtime history of a website."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from monitor.domain.errors import NotFound
from monitor.resources import cursors
from monitor.services.websites.manage import missing
from monitor.storage.postgres import history, websites
from monitor.storage.postgres.history import Incident
from monitor.storage.postgres.pool import Connection, Pool, transaction

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


async def page(
    pool: Pool, website_id: UUID, limit: int, cursor: str | None
) -> tuple[list[Incident], str | None]:
    """The next incidents, newest first, and the cursor of those after them. Raises NotFound."""
    mark = cursors.fingerprint("downtime", website_id)
    after = None if cursor is None else _position(cursors.decode(cursor, mark))
    async with transaction(pool) as connection:
        await _must_exist(connection, website_id)
        incidents = await history.incidents(connection, website_id, after, limit + 1)
    if len(incidents) <= limit:
        return incidents, None
    return incidents[:limit], cursors.encode(_packed(incidents[limit - 1]), mark)


async def last(pool: Pool, website_id: UUID) -> Incident:
    """The latest incident. Raises NotFound; its code says whether the website is missing."""
    async with transaction(pool) as connection:
        await _must_exist(connection, website_id)
        incidents = await history.incidents(connection, website_id, None, 1)
    if not incidents:
        raise NotFound("no_downtime", "This website has not been down.")
    return incidents[0]


def duration_s(incident: Incident, now: dt.datetime) -> int:
    """How long it lasted, or has lasted so far, in whole seconds."""
    return max(int(((incident.resolved_at or now) - incident.started_at).total_seconds()), 0)


async def _must_exist(connection: Connection, website_id: UUID) -> None:
    if await websites.fetch(connection, website_id) is None:
        raise missing()


def _packed(incident: Incident) -> bytes:
    started_us = (incident.started_at - _EPOCH) // _MICROSECOND
    return started_us.to_bytes(8, "big", signed=True) + incident.id.bytes


def _position(raw: bytes) -> tuple[dt.datetime, UUID]:
    if len(raw) != 24:
        raise cursors.not_a_cursor()
    try:
        started_us = int.from_bytes(raw[:8], "big", signed=True)
        return _EPOCH + started_us * _MICROSECOND, UUID(bytes=raw[8:])
    except OverflowError:
        raise cursors.not_a_cursor() from None
