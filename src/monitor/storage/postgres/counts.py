"""Figures about the whole installation, counted from indexes up to a bound."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from monitor.domain.status import Standing
from monitor.storage.postgres.pool import Connection

COUNTED_UP_TO = 100_000
"""The upper bound of every count: this number means this many or more."""


class Figures(Struct, frozen=True):
    """Notifications by state, overdue ones, open incidents, unsynced changes, and websites that
    stand as not measured.

    Ages are in seconds, of the oldest row; 0.0 if there is none. ``list_figures_s``: the end of the
    last hour in the figures of lists, in Unix seconds; None before the first.
    """

    queued: int
    overdue: int
    overdue_s: float
    failed: int
    open_incidents: int
    unsynced: int
    unsynced_s: float
    not_measured: int
    list_figures_s: float | None
    sessions: int


# Each count stops at the bound, and each condition matches a partial index.
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
                      ORDER BY seq LIMIT 1), 0)::float8,
           (SELECT count(*) FROM (SELECT FROM website_figures
                                   WHERE standing = %(not_measured)s LIMIT %(most)s) n),
           (SELECT extract(epoch FROM until)::float8 FROM figures_as_of),
           (SELECT count(*) FROM (SELECT FROM user_sessions LIMIT %(most)s) s)
"""


async def read(connection: Connection) -> Figures:
    """All figures as of one instant."""
    cursor = await connection.execute(
        _FIGURES, {"most": COUNTED_UP_TO, "not_measured": Standing.NOT_MEASURED.value}
    )
    row = await cursor.fetchone()
    assert row is not None
    return Figures(*row)


async def oldest_website(connection: Connection) -> dt.datetime | None:
    """When the oldest of the websites was created; None if there is none. Reads all of them."""
    cursor = await connection.execute("SELECT min(created_at) FROM websites")
    row = await cursor.fetchone()
    return row[0] if row else None
