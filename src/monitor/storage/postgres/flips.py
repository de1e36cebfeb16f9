"""The table of flips: every recorded change of a region's verdict about a website."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from monitor.domain.outcome import Reason
from monitor.domain.verdict import Flip, Verdict
from monitor.storage.postgres.pool import Connection, Pool, session


class RecordedFlip(Struct, frozen=True):
    """A region held this verdict from ``at_s`` on, by the check of ``slot_s``. Unix seconds."""

    region: str
    verdict: Verdict
    at_s: int
    slot_s: int
    reason: Reason | None = None


# A verdict is reported again while it lasts; ``at`` stays the same.
_RECORD = """
    INSERT INTO flips (website_id, region, verdict, at, slot, reason)
    SELECT w.id, r.name, f.verdict, to_timestamp(f.at), to_timestamp(f.slot), f.reason
      FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[])
           f (website_id, region, verdict, at, slot, reason)
      JOIN websites w ON w.id = f.website_id
      JOIN regions r ON r.name = f.region
     WHERE w.paused_at IS NULL
       AND (w.all_regions OR EXISTS (SELECT 1 FROM website_regions x
                                      WHERE x.website_id = w.id AND x.region = r.name))
     ORDER BY w.id, r.name, f.at, f.verdict, f.slot
    ON CONFLICT DO NOTHING
"""


async def record(connection: Connection, flips: Sequence[Flip]) -> None:
    """Store these flips, whose websites are locked. A flip that is stored already stays as it is.

    Skipped as by ``verdicts.record``: deleted and paused websites, and regions they are no longer
    checked from.
    """
    if flips:
        columns = zip(*map(_row, flips), strict=True)
        await connection.execute(_RECORD, list(map(list, columns)))


def _row(flip: Flip) -> tuple[object, ...]:
    reason = (flip.reason or Reason.INTERNAL_ERROR).value if flip.verdict is Verdict.DOWN else None
    return flip.website_id, flip.region, flip.verdict.value, flip.at_s, flip.slot_s, reason


_FETCH = """
    SELECT website_id, region, verdict, extract(epoch FROM at)::bigint,
           extract(epoch FROM slot)::bigint, reason
      FROM (SELECT * FROM flips
             WHERE website_id = ANY(%(ids)s) AND at >= %(since)s AND at < %(until)s
            UNION ALL
            (SELECT DISTINCT ON (website_id, region) * FROM flips
              WHERE website_id = ANY(%(ids)s) AND at < %(since)s
              ORDER BY website_id, region, at DESC, slot DESC)) f
     ORDER BY website_id, region COLLATE "C", at, slot
"""


async def fetch(
    connection: Connection, website_ids: Sequence[UUID], since: dt.datetime, until: dt.datetime
) -> dict[UUID, list[RecordedFlip]]:
    """The flips of each of these websites in [since, until), by region, then time.

    Before them the last one of each region before ``since``, if there was any. Websites without
    flips are absent.
    """
    values = {"ids": list(website_ids), "since": since, "until": until}
    flips: dict[UUID, list[RecordedFlip]] = {}
    for website_id, region, verdict, at_s, slot_s, reason in await (
        await connection.execute(_FETCH, values)
    ).fetchall():
        flip = RecordedFlip(region, Verdict(verdict), at_s, slot_s, reason and Reason(reason))
        flips.setdefault(website_id, []).append(flip)
    return flips


# The last one before the limit says what was held at the limit: it stays.
_EXPIRE = """
    DELETE FROM flips f
     WHERE f.at < %(limit)s
       AND EXISTS (SELECT 1 FROM flips later
                    WHERE later.website_id = f.website_id AND later.region = f.region
                      AND (later.at, later.slot) > (f.at, f.slot) AND later.at < %(limit)s)
"""


async def expire(pool: Pool, limit: dt.datetime) -> int:
    """Delete the flips before ``limit`` but for the last one of each website and region.

    Returns how many were deleted.
    """
    async with session(pool) as connection:
        return (await connection.execute(_EXPIRE, {"limit": limit})).rowcount
