"""Recorded verdicts: which regions see which websites down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct
from psycopg.rows import TupleRow

from monitor.domain.backfill import Recorded
from monitor.domain.incident import DownVerdict, Recipient
from monitor.domain.outcome import Reason
from monitor.domain.verdict import CLOCKS_APART_S, Flip, Verdict
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.website_rows import REQUEST_TIMEOUT

_CLOCKS_APART = dt.timedelta(seconds=CLOCKS_APART_S)


class Watched(Struct, frozen=True):
    """The data for deciding about an active website. Times are Unix seconds; 0: never.

    ``incident_regions``: those that held it down when the open incident began.
    """

    website_id: UUID
    regions: tuple[str, ...]
    check_frequency: int
    request_timeout: int
    recipients: tuple[Recipient, ...]
    down: tuple[DownVerdict, ...]
    incident_id: UUID | None
    incident_regions: tuple[str, ...]
    last_started_s: int
    last_resolved_s: int


class RecordedDown(Struct, frozen=True):
    """A recorded verdict of down, from the check of ``slot_s``."""

    website_id: UUID
    region: str
    at_s: int
    slot_s: int
    reason: Reason


async def lock(connection: Connection, website_ids: Sequence[UUID]) -> None:
    """Lock these websites, so that no other transaction decides about them.

    Always in the same order, to avoid deadlocks.
    """
    await connection.execute(
        "SELECT 1 FROM websites WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
        [list(website_ids)],
    )


# Of several verdicts about one website and region, the one of the latest check wins.
_RECORD = """
    INSERT INTO verdicts AS v (website_id, region, verdict, at, slot, reason, status_code, evidence)
    SELECT DISTINCT ON (w.id, r.name)
           w.id, r.name, f.verdict, f.at, f.slot, f.reason, f.status_code, f.evidence
      FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[],
                  %s::text[], %s::integer[], %s::text[]) WITH ORDINALITY
           f (website_id, region, verdict, at, slot, reason, status_code, evidence, number)
      JOIN websites w ON w.id = f.website_id
      JOIN regions r ON r.name = f.region
     WHERE w.paused_at IS NULL
       AND (w.all_regions OR EXISTS (SELECT 1 FROM website_regions x
                                      WHERE x.website_id = w.id AND x.region = r.name))
     ORDER BY w.id, r.name, f.slot DESC, f.number
    ON CONFLICT (website_id, region) DO UPDATE
       SET verdict = excluded.verdict, at = excluded.at, slot = excluded.slot,
           reason = excluded.reason, status_code = excluded.status_code,
           evidence = excluded.evidence
     WHERE v.slot < excluded.slot OR v.slot > now() + %s
"""


async def record(connection: Connection, flips: Sequence[Flip]) -> None:
    """Store these verdicts, except where a later check has already been recorded.

    A recorded check with a future time does not count as later: its clock was wrong. Deleted and
    paused websites, and regions they are no longer checked from, are skipped.
    """
    if flips:
        columns = zip(*map(_row, flips), strict=True)
        await connection.execute(_RECORD, [*map(list, columns), _CLOCKS_APART])


def _row(flip: Flip) -> tuple[object, ...]:
    down = flip.verdict is Verdict.DOWN
    return (
        flip.website_id,
        flip.region,
        flip.verdict.value,
        _time(flip.at_s),
        _time(flip.slot_s),
        (flip.reason or Reason.INTERNAL_ERROR).value if down else None,
        flip.status_code,
        flip.evidence,
    )


_WATCHED = f"""
    SELECT w.id, CASE WHEN w.all_regions THEN ARRAY(SELECT name FROM regions)
                      ELSE ARRAY(SELECT region FROM website_regions r WHERE r.website_id = w.id)
                  END,
           w.check_frequency, {REQUEST_TIMEOUT}, w.alert_emails,
           o.id, coalesce(o.regions, '{{}}'),
           coalesce(extract(epoch FROM last.started_at)::bigint, 0),
           coalesce(extract(epoch FROM last.resolved_at)::bigint, 0)
      FROM websites w
      LEFT JOIN incidents o ON o.website_id = w.id AND o.resolved_at IS NULL
      LEFT JOIN LATERAL (SELECT max(i.started_at) AS started_at, max(i.resolved_at) AS resolved_at
                           FROM incidents i WHERE i.website_id = w.id) last ON true
     WHERE w.id = ANY(%s) AND w.paused_at IS NULL
"""  # noqa: S608 - constants

_DOWN = """
    SELECT website_id, region, at, slot, reason, status_code, evidence FROM verdicts
     WHERE website_id = ANY(%s) AND verdict = 'down'
"""


def _recipients(alert_emails: Sequence[str]) -> tuple[Recipient, ...]:
    """The column holds addresses of one channel."""
    return tuple(Recipient("email", address) for address in alert_emails)


async def watched(connection: Connection, website_ids: Sequence[UUID]) -> list[Watched]:
    """The data for deciding about these websites; paused and deleted ones are absent."""
    ids = list(website_ids)
    down: dict[UUID, list[DownVerdict]] = {}
    for row in await (await connection.execute(_DOWN, [ids])).fetchall():
        verdict = DownVerdict(row[1], int(row[2].timestamp()), Reason(row[4]), row[5], row[6])
        down.setdefault(row[0], []).append(verdict)
    rows = await (await connection.execute(_WATCHED.encode(), [ids])).fetchall()
    return [_watched(row, tuple(down.get(row[0], ()))) for row in rows]


def _watched(row: TupleRow, down: tuple[DownVerdict, ...]) -> Watched:
    website_id, regions, frequency, timeout, emails, incident_id, incident_regions, *last = row
    return Watched(
        website_id, tuple(regions), frequency, timeout, _recipients(emails), down, incident_id,
        tuple(incident_regions), *last,
    )  # fmt: skip


async def recorded(
    connection: Connection, website_ids: Sequence[UUID]
) -> dict[tuple[str, UUID], Recorded]:
    """The recorded verdicts about these websites, as {(region, id): verdict}."""
    cursor = await connection.execute(
        "SELECT region, website_id, verdict, slot FROM verdicts WHERE website_id = ANY(%s)",
        [list(website_ids)],
    )
    return {
        (region, website_id): Recorded(Verdict(verdict), int(slot.timestamp()))
        for region, website_id, verdict, slot in await cursor.fetchall()
    }


async def recorded_down(connection: Connection) -> list[RecordedDown]:
    """All verdicts of down about active websites."""
    cursor = await connection.execute(
        """
        SELECT v.website_id, v.region, v.at, v.slot, v.reason
          FROM verdicts v JOIN websites w ON w.id = v.website_id
         WHERE v.verdict = 'down' AND w.paused_at IS NULL
        """
    )
    return [
        RecordedDown(r[0], r[1], int(r[2].timestamp()), int(r[3].timestamp()), Reason(r[4]))
        for r in await cursor.fetchall()
    ]


async def undecided(connection: Connection) -> list[UUID]:
    """The websites whose incidents may have to open or end without a new flip."""
    cursor = await connection.execute(
        """
        SELECT website_id FROM verdicts WHERE verdict = 'down'
        UNION SELECT website_id FROM incidents WHERE resolved_at IS NULL
        ORDER BY website_id
        """
    )
    return [website_id for (website_id,) in await cursor.fetchall()]


def _time(unix_s: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC)
