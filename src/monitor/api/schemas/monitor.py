"""Schemas of results: latest statuses, series and downtimes."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from monitor.domain.incident import Resolution
from monitor.domain.outcome import Reason
from monitor.domain.status import Status
from monitor.domain.verdict import Verdict


class RegionLatest(Struct, kw_only=True):
    """The latest state in one region. ``fresh``: whether its verdict still counts."""

    region: str
    verdict: Verdict
    last_checked_at: dt.datetime | None
    response_ms: float | None
    reason: Reason | None
    status_code: int | None
    fresh: bool


class Latest(Struct, kw_only=True):
    """The latest status of a website. ``since``: when it began; null if unknown."""

    id: UUID
    url: str
    name: str
    status: Status
    since: dt.datetime | None
    regions: list[RegionLatest]


class LatestPage(Struct):
    """Latest statuses. ``next_cursor`` is null on the last page."""

    items: list[Latest]
    next_cursor: str | None


class ResponseTimes(Struct):
    """Milliseconds. ``p95`` is null also where it is not known any more."""

    mean: float | None
    p95: float | None
    max: float | None


class Point(Struct):
    """Results of the ``bucket_s`` seconds that begin at ``time``."""

    time: dt.datetime
    checks: int
    up_ratio: float
    response_ms: ResponseTimes


class UptimeSummary(Struct):
    """``up_ratio``: share of checks that were up; null if there were none. ``measured_ratio``:
    share of the slots that were due and measured; null if none was due, or it is not known."""

    checks: int
    up_ratio: float | None
    measured_ratio: float | None


class Why(StrEnum):
    """Why a region had no verdict: checks that were due were not made; or none was due, as the
    website was paused, or not checked from this region."""

    NOT_MEASURED = "not_measured"
    PAUSED = "paused"


class ChartGap(Struct):
    """Time in which the region had no verdict that counted, to the second."""

    since: dt.datetime
    until: dt.datetime
    why: Why


class RegionSeries(Struct):
    """The series of one region. Points without a check are absent; ``gaps`` say why."""

    region: str
    uptime: UptimeSummary
    points: list[Point]
    gaps: list[ChartGap]


class WebsiteSeries(Struct):
    """A chart: points of ``bucket_s`` seconds in [since, until). ``days``: null for a window."""

    website_id: UUID
    days: int | None
    bucket_s: int
    since: dt.datetime
    until: dt.datetime
    series: list[RegionSeries]


class Downtime(Struct, kw_only=True):
    """A period in which a website was down; while it lasts, ``duration_s`` counts up to now.

    ``cause``, ``status_code`` and ``evidence`` come from the first of ``regions`` to detect it.
    ``resolution`` says why it ended: the website recovered or was paused, or a region that held it
    down was removed.
    """

    id: UUID
    started_at: dt.datetime
    resolved_at: dt.datetime | None
    duration_s: int
    cause: Reason
    status_code: int | None
    evidence: str
    regions: list[str]
    resolution: Resolution | None


class DowntimePage(Struct):
    """Downtimes, newest first. ``next_cursor`` is null on the last page."""

    items: list[Downtime]
    next_cursor: str | None
