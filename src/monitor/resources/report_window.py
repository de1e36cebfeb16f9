"""The window of a report, as the query parameters ``from``, ``to`` and ``tz`` say it. Pure."""

from __future__ import annotations

import datetime as dt
import math
import re
from zoneinfo import ZoneInfo

from msgspec import Struct

from monitor.domain.errors import BadQuery, FieldProblem
from monitor.domain.series import DAY_S
from monitor.domain.windows import Window
from monitor.resources.formats import InvalidValue, instant, time_zone

DEFAULT_DAYS = 30

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME_FORM = "must be a time with its offset, like 2026-11-24T10:00:00Z, or a date, like 2026-11-24"


class WindowQuery(Struct, frozen=True):
    """The window that is asked for, as the parameters say it."""

    since: str | None = None
    until: str | None = None
    zone: str | None = None


def window(
    query: WindowQuery, now_s: int, kept_days: int, *, default_days: int = DEFAULT_DAYS
) -> Window:
    """The window of a report in Unix seconds; it ends no later than now.

    Its edges are times with their offsets (RFC 3339), fractions of seconds cut off, or dates of the
    time zone: from the first second of the one to the last of the other. Without them: the
    ``default_days`` before ``until``, up to now. Raises BadQuery naming all that is wrong:
    ``from``, ``to`` and ``tz``.
    """
    since, until, zone = query.since, query.until, query.zone
    problems: list[FieldProblem] = []

    def parsed(parameter: str, text: str | None, *, end: bool) -> int | None:
        try:
            return None if text is None else _second(text, tz, end=end)
        except InvalidValue as invalid:
            problems.append(FieldProblem(parameter, str(invalid)))
            return None

    tz: dt.tzinfo = dt.UTC
    try:
        tz = dt.UTC if zone is None else ZoneInfo(time_zone(zone))
    except InvalidValue as invalid:
        problems.append(FieldProblem("tz", str(invalid)))
    end_s = parsed("to", until, end=True)
    begin_s = parsed("from", since, end=False)
    if not problems:
        end_s = now_s if end_s is None else end_s
        begin_s = min(end_s, now_s) - default_days * DAY_S if begin_s is None else begin_s
        by_default = default_days if since is None else None
        problems += _contradictions(begin_s, end_s, now_s, kept_days, by_default)
    if problems or begin_s is None or end_s is None:
        raise BadQuery(problems)
    return Window(begin_s, min(end_s, now_s))


def _contradictions(
    begin_s: int, end_s: int, now_s: int, kept_days: int, by_default: int | None
) -> list[FieldProblem]:
    """``by_default``: the days of a window without a ``from`` that could be wrong."""
    oldest_s = now_s // DAY_S * DAY_S - kept_days * DAY_S
    oldest = f"{dt.datetime.fromtimestamp(oldest_s, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    if begin_s < oldest_s:
        parameter = "to" if by_default else "from"
        least = f"{by_default} days after {oldest}" if by_default else oldest
        message = f"must be {least} or later: history is kept for {kept_days} days"
        return [FieldProblem(parameter, message)]
    if begin_s >= now_s:
        return [FieldProblem("from", "must be in the past")]
    if begin_s >= end_s:
        return [FieldProblem("from", "must be before `to`")]
    return []


def _second(text: str, tz: dt.tzinfo, *, end: bool) -> int:
    """The first second of a time or date, or the first one after a date that is an ``end``."""
    try:
        if not _DATE.fullmatch(text):
            return math.floor(instant(text).timestamp())
        day = dt.date.fromisoformat(text) + dt.timedelta(days=1 if end else 0)
        return math.floor(dt.datetime(day.year, day.month, day.day, tzinfo=tz).timestamp())
    except (InvalidValue, ValueError, OverflowError):
        raise InvalidValue(_TIME_FORM) from None
