"""A few numbers about the whole installation, each from an index and counted up to a bound."""

from __future__ import annotations

from msgspec import Struct

from monitor.storage.postgres.pool import Connection

COUNTED_UP_TO = 100_000
"""No count looks at more rows; one that says this many means: this many or more."""


class Figures(Struct, frozen=True):
    """Notifications by state, what is due among them, open incidents, changes not synced.

    Ages are in seconds, of the oldest one; 0.0 where there is none.
    """

    queued: int
    overdue: int
    overdue_s: float
    failed: int
    open_incidents: int
    unsynced: int
    unsynced_s: float


# Each count stops at the bound, and each condition is that of a partial index.
_FIGURES = """
    SELECT (SELECT count(*) FROM (SELECT FROM notifications
                                   WHERE state = 'queued' LIMIT %(most)s) q),
           (SELECT count(*) FROM (SELECT FROM notifications
                                   WHERE state = 'queued' AND next_attempt_at <= now()
                                   LIMIT %(most)s) o),
           coalesce((SELECT extract(epoch FROM now() - next_attempt_at) FROM notifications
                      WHERE state = 'queued' AND next_attempt_at <= now()
                      ORDER BY next_attempt_at LIMIT 1), 0)::float8,
           (SELECT count(*) FROM (SELECT FROM notifications
                                   WHERE state = 'failed' LIMIT %(most)s) f),
           (SELECT count(*) FROM (SELECT FROM incidents
                                   WHERE resolved_at IS NULL LIMIT %(most)s) i),
           (SELECT count(*) FROM (SELECT FROM changes LIMIT %(most)s) c),
           coalesce((SELECT extract(epoch FROM now() - changed_at) FROM changes
                      ORDER BY seq LIMIT 1), 0)::float8
"""


async def read(connection: Connection) -> Figures:
    """All of them, as of one instant."""
    cursor = await connection.execute(_FIGURES, {"most": COUNTED_UP_TO})
    row = await cursor.fetchone()
    assert row is not None
    return Figures(*row)
