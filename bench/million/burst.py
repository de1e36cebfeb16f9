"""Many websites fail at once: how long until each has an incident and someone is to be told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import LiteralString

import psycopg
from bench.watch import Watch, say

from monitor.domain.verdict import RECHECK_AFTER_S

from .out_of_turn import check_at

_WITHIN_S = 300.0
_FLAKY = "SELECT id FROM websites WHERE url LIKE '%/flaky/%' ORDER BY id"
_INCIDENTS = "SELECT count(*) FROM incidents WHERE resolved_at IS NULL"
_QUEUED = "SELECT count(*) FROM notifications WHERE event = 'opened'"
_SENT = f"{_QUEUED} AND state = 'sent'"
_WHEN = """
    SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM created_at))
      FROM notifications WHERE event = 'opened' AND created_at >= to_timestamp(%s)"""


@dataclass(frozen=True)
class Burst:
    """Seconds. ``confirmed_s``: from the failure to the slot of the second check, before which
    no website may be called down. The others from that slot: until the last incident, the last
    row of the outbox, and the last mail that was taken, or until they were given up; ``half_s``
    and ``p99_s`` until so many of the rows there are."""

    websites: int
    confirmed_s: float
    incidents_s: float
    notifications_s: float
    mails_s: float
    half_s: float
    p99_s: float


def run(watch: Watch) -> Burst:
    """Let them fail and check all of them in the next second, as new websites are checked.

    All else is the product's: the checks, the second check, incidents and mails. Without the
    checks out of turn the failures would be found over an interval, a few dozen a second.
    """
    stack = watch.stack
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        ids = [row[0] for row in connection.execute(_FLAKY).fetchall()]
        wanted = {q: _count(connection, q) + len(ids) for q in (_INCIDENTS, _QUEUED, _SENT)}
        failed_s = time.time()
        stack.targets.fail()
        slot_s = int(failed_s) + 1
        check_at(stack, ids, slot_s)
        confirmed_s = slot_s + RECHECK_AFTER_S

        def until(question: LiteralString, doing: str) -> float:
            within_s = max(failed_s + _WITHIN_S - time.time(), 1.0)
            _reach(watch, lambda: wanted[question] - _count(connection, question), doing, within_s)
            return time.time() - confirmed_s

        incidents_s = until(_INCIDENTS, f"{len(ids)} websites fail: waiting for incidents")
        notifications_s = until(_QUEUED, "waiting for notifications")
        mails_s = until(_SENT, "waiting for mails")
        half_s, p99_s = _when(connection, failed_s)
    return Burst(
        websites=len(ids),
        confirmed_s=confirmed_s - failed_s,
        incidents_s=incidents_s,
        notifications_s=notifications_s,
        mails_s=mails_s,
        half_s=half_s - confirmed_s,
        p99_s=p99_s - confirmed_s,
    )


def _reach(watch: Watch, missing: Callable[[], int], doing: str, within_s: float) -> None:
    """Wait until none is missing. Too late is a failed promise, and no end of the run."""
    try:
        watch.wait_for(lambda: missing() <= 0, doing, within_s=within_s)
    except TimeoutError:
        say(f"{doing}: {missing()} are missing, and given up")


def _when(connection: psycopg.Connection, since_s: float) -> tuple[float, float]:
    """When half of the rows of the outbox were made, and 99 %; Unix seconds, nan of none."""
    row = connection.execute(_WHEN, [since_s]).fetchone()
    if row is None or row[0] is None:
        return nan, nan
    half_s, p99_s = map(float, row[0])
    return half_s, p99_s


def _count(connection: psycopg.Connection, question: LiteralString) -> int:
    row = connection.execute(question).fetchone()
    assert row is not None
    return int(row[0])
