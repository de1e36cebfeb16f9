"""What is known of the past of a page of websites, in two round trips: lists wait for no more.

While a machine is busy, each round trip waits for a CPU (docs/adr/0018-single-queries-need-no-
transaction.md), and six tables are read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct

from monitor.domain.freshness import FOREVER_S
from monitor.domain.schedule import Lifetime, Period, Schedule
from monitor.domain.windows import Window
from monitor.storage.postgres.pool import Connection

_Periods = list[tuple[float, float | None, int | None, tuple[str, ...] | None]]
_Spans = list[tuple[int, int | None]]
_Gaps = list[tuple[str, int, int]]

_periods = msgspec.json.Decoder(_Periods)
_spans = msgspec.json.Decoder(_Spans)
_gaps = msgspec.json.Decoder(_Gaps)


class WebsiteHistory(Struct, frozen=True):
    """``incidents``: when they were open. ``gaps``: by region. ``p95_ms``: of 24 hours."""

    schedule: Schedule
    incidents: Sequence[Window]
    gaps: Mapping[str, Sequence[Window]]
    p95_ms: float | None


class Histories(Struct, frozen=True):
    """Histories by website, and the end of the last hour in the figures of lists, in Unix seconds;
    None before the first."""

    by_id: Mapping[UUID, WebsiteHistory]
    as_of_s: int | None


# One row a website, whatever it has of each; text, which the driver does not look into. Seconds of
# incidents are cut off as those of periods are: a pause ends an incident where it begins.
_READ: LiteralString = """
    SELECT l.website_id, nullif(l.p95_24h_ms, '-infinity'),
           (SELECT json_agg(json_build_array(extract(epoch FROM p.since)::float8,
                                             extract(epoch FROM p.until)::float8,
                                             p.check_frequency, p.regions) ORDER BY p.since)::text
              FROM website_periods p
             WHERE p.website_id = l.website_id
               AND (p.until IS NULL OR p.until > to_timestamp(%(since_s)s))),
           (SELECT json_agg(json_build_array(floor(extract(epoch FROM i.started_at))::bigint,
                                             floor(extract(epoch FROM i.resolved_at))::bigint)
                            ORDER BY i.started_at)::text
              FROM incidents i
             WHERE i.website_id = l.website_id
               AND (i.resolved_at IS NULL OR i.resolved_at > to_timestamp(%(since_s)s))),
           (SELECT json_agg(json_build_array(g.region, lower(span), upper(span)))::text
              FROM gaps g, unnest(g.spans) span
             WHERE g.website_id = l.website_id AND upper(span) > %(since_s)s)
      FROM website_latencies l WHERE l.website_id = ANY(%(ids)s)
"""

_REGIONS: LiteralString = """
    SELECT extract(epoch FROM (SELECT until FROM figures_as_of))::float8, region,
           extract(epoch FROM since)::float8, extract(epoch FROM until)::float8
      FROM (SELECT) one
      LEFT JOIN region_periods ON until IS NULL OR until > to_timestamp(%s)
"""


async def read(connection: Connection, website_ids: Sequence[UUID], since_s: int) -> Histories:
    """The histories of these websites from ``since_s`` (Unix seconds) on."""
    cursor = await connection.execute(_REGIONS, [since_s])
    rows = await cursor.fetchall()
    lifetimes = [Lifetime(*row[1:]) for row in rows if row[1] is not None]
    values = {"ids": list(website_ids), "since_s": since_s}
    cursor = await connection.execute(_READ, values)
    by_id = {
        website_id: WebsiteHistory(
            Schedule([Period(*p) for p in _periods.decode(periods or "[]")], lifetimes),
            [_window(*span) for span in _spans.decode(incidents or "[]")],
            _by_region(_gaps.decode(gaps or "[]")),
            p95_ms,
        )
        for website_id, p95_ms, periods, incidents, gaps in await cursor.fetchall()
    }
    return Histories(by_id, None if rows[0][0] is None else int(rows[0][0]))


def _window(since_s: int, until_s: int | None) -> Window:
    return Window(since_s, FOREVER_S if until_s is None else until_s)


def _by_region(rows: _Gaps) -> dict[str, list[Window]]:
    windows: dict[str, list[Window]] = {}
    for region, since_s, until_s in rows:
        windows.setdefault(region, []).append(Window(since_s, until_s))
    return windows
