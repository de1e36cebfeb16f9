"""What goes over the wire of what was measured: latest statuses, series, downtimes."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct

from monitor.domain.incident import Resolution
from monitor.domain.outcome import Reason
from monitor.domain.status import Status
from monitor.domain.verdict import Verdict


class RegionLatest(Struct, kw_only=True):
    """What one region holds. ``fresh``: whether its verdict still counts."""

    region: str
    verdict: Verdict
    last_checked_at: dt.datetime | None
    response_ms: float | None
    reason: Reason | None
    status_code: int | None
    fresh: bool


class Latest(Struct, kw_only=True):
    """The latest status of a website. ``since``: when it began, null where that is not known."""

    id: UUID
    url: str
    name: str
    status: Status
    since: dt.datetime | None
    regions: list[RegionLatest]


class LatestPage(Struct):
    """Latest statuses, and the cursor of the next page; null on the last."""

    items: list[Latest]
    next_cursor: str | None


class ResponseTimes(Struct):
    """Milliseconds. ``p95`` of a bucket wider than an hour is the highest p95 of its hours."""

    mean: float | None
    p95: float | None
    max: float | None


class Point(Struct):
    """What was measured in the ``bucket_s`` seconds from ``time`` on."""

    time: dt.datetime
    checks: int
    up_ratio: float
    response_ms: ResponseTimes


class UptimeSummary(Struct):
    """``up_ratio``: of the checks made, null where none was; ``measured_ratio``: checks made of
    those that were due since the website was created."""

    checks: int
    up_ratio: float | None
    measured_ratio: float


class RegionSeries(Struct):
    """One region's line of the chart. Absent points are gaps: not measured."""

    region: str
    uptime: UptimeSummary
    points: list[Point]


class WebsiteSeries(Struct):
    """A chart: points of ``bucket_s`` seconds within [since, until)."""

    website_id: UUID
    days: int
    bucket_s: int
    since: dt.datetime
    until: dt.datetime
    series: list[RegionSeries]


class Downtime(Struct, kw_only=True):
    """A span in which a website was down; ``duration_s`` counts up to now while it lasts.

    ``cause``, ``status_code`` and ``evidence`` are those of the first of ``regions`` to see it.
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
    """Downtimes, newest first, and the cursor of the next page; null on the last."""

    items: list[Downtime]
    next_cursor: str | None
