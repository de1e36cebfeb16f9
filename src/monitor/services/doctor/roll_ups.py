"""Roll-ups: whether the last hours and the last day are made."""

from __future__ import annotations

import datetime as dt

from monitor.domain.series import DAY_S, HOUR_S
from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report
from monitor.storage.postgres import counts, rolled_up_days
from monitor.storage.postgres.pool import session
from monitor.storage.postgres.rolled_up_days import DaysDone
from monitor.storage.redis.tick_buffer import TickBuffer

_REPORT = Report("roll-ups")
_ADVICE = "see the logs of the central workers for ticks.rolled_up, or start one"

_HOUR_WITHIN_S = 2 * HOUR_S
_DAY_WITHIN_S = 3 * HOUR_S
"""How long after its end an hour or a day is made, at a million websites, and some time more."""


async def look(context: Context) -> Finding:
    hour_s = await TickBuffer(context.redis, 0).rolled_up()
    async with session(context.postgres) as connection:
        done = await rolled_up_days.fetch(connection)
        oldest = await counts.oldest_website(connection)
    redis_s, _ = await context.redis.time()
    oldest_s = None if oldest is None else oldest.timestamp()
    return judge(hour_s, done, oldest_s, redis_s)


def judge(
    hour_s: int | None, done: DaysDone | None, oldest_s: float | None, now_s: float
) -> Finding:
    """The finding where this hour and these days are done last. Pure.

    ``oldest_s``: since when there are websites; None: there are none. Unix seconds.
    """
    if oldest_s is None or now_s - oldest_s < _HOUR_WITHIN_S:
        return _REPORT.ok("nothing is due yet")
    if hour_s is None or now_s > hour_s + HOUR_S + _HOUR_WITHIN_S:
        since = "none" if hour_s is None else _utc(hour_s, "%Y-%m-%dT%H:%MZ")
        return _REPORT.warning(f"hours are late: the last one is {since}", _ADVICE)
    due_s = int(now_s - _DAY_WITHIN_S) // DAY_S * DAY_S - DAY_S
    if oldest_s < due_s + DAY_S and (done is None or done.last_s < due_s):
        last = "none" if done is None else _utc(done.last_s, "%Y-%m-%d")
        return _REPORT.warning(
            f"days are late: the last one is {last}, and {_utc(due_s, '%Y-%m-%d')} is over", _ADVICE
        )
    day = "" if done is None else f", of days {_utc(done.last_s, '%Y-%m-%d')}"
    return _REPORT.ok(f"the last hour is {_utc(hour_s, '%Y-%m-%dT%H:%MZ')}{day}")


def _utc(unix_s: int, form: str) -> str:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC).strftime(form)


CHECK = Check(_REPORT, look)
