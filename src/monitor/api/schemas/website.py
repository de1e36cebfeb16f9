"""What goes over the wire. The bodies a caller sends are checked by ``domain.validation``; their
structs here describe them in the OpenAPI document, and tests hold the two together."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType, field

from monitor.domain.incident import Resolution
from monitor.domain.outcome import Reason
from monitor.domain.status import Status
from monitor.domain.verdict import Verdict

Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        description="An absolute http or https URL without user or password in it.",
        examples=["https://example.com/health"],
    ),
]
Name = Annotated[
    str | None,
    Meta(description="1 to 255 characters. null, the default: the URL's host and path."),
]
Regions = Annotated[
    list[str] | None,
    Meta(description="The regions to check from; null, the default: all, those to come too."),
]
CheckFrequency = Annotated[int, Meta(ge=30, le=86_400, description="Seconds between checks.")]
RequestTimeout = Annotated[
    int,
    Meta(ge=1, le=60, description="Seconds one check may take; less than check_frequency."),
]
HttpMethod = Annotated[
    str, Meta(description="GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, in any case.")
]
RequestHeaders = Annotated[
    dict[str, str],
    Meta(
        description="Header names and values, at most 50. Headers that frame a message, such as "
        "Content-Length and Connection, are refused. Values are write-only: they read back as "
        "`********`, but for harmless headers such as Accept and Content-Type. Sent back, "
        "`********` leaves the value as it is."
    ),
]
RequestBody = Annotated[
    str, Meta(max_length=65_536, description="Sent with every check; write-only, too.")
]
StatusCodes = Annotated[
    list[int | str],
    Meta(
        description='Codes that count as up: numbers and ranges like "200-399".',
        examples=[[204, "300-399"]],
    ),
]
FollowRedirects = Annotated[bool, Meta(description="Follow redirects to the page they end at.")]
VerifySsl = Annotated[bool, Meta(description="Take a bad certificate as down.")]
Paused = Annotated[bool, Meta(description="Do not check. An open incident ends.")]
AlertEmails = Annotated[
    list[str],
    Meta(max_length=20, description="Whom to tell; none: the installation's recipients."),
]
ExternalId = Annotated[
    str | None, Meta(description="1 to 255 characters of your own, unique; null: none.")
]


class NewWebsite(Struct, kw_only=True):
    """A website to watch. Times are in seconds."""

    url: Url
    name: Name = None
    regions: Regions = None
    check_frequency: CheckFrequency = 180
    request_timeout: RequestTimeout = 15
    http_method: HttpMethod = "GET"
    request_headers: RequestHeaders = field(default_factory=dict)
    request_body: RequestBody = ""
    expected_status_codes: StatusCodes = field(default_factory=lambda: ["200-399"])
    follow_redirects: FollowRedirects = True
    verify_ssl: VerifySsl = True
    paused: Paused = False
    alert_emails: AlertEmails = field(default_factory=list)
    external_id: ExternalId = None


class WebsitesChange(Struct, kw_only=True):
    """What to change of many websites; what is not sent stays."""

    url: Url | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    regions: Regions | UnsetType = UNSET
    check_frequency: CheckFrequency | UnsetType = UNSET
    request_timeout: RequestTimeout | UnsetType = UNSET
    http_method: HttpMethod | UnsetType = UNSET
    request_headers: RequestHeaders | UnsetType = UNSET
    request_body: RequestBody | UnsetType = UNSET
    expected_status_codes: StatusCodes | UnsetType = UNSET
    follow_redirects: FollowRedirects | UnsetType = UNSET
    verify_ssl: VerifySsl | UnsetType = UNSET
    paused: Paused | UnsetType = UNSET
    alert_emails: AlertEmails | UnsetType = UNSET


class WebsiteChange(WebsitesChange, kw_only=True):
    """What to change of a website; what is not sent stays."""

    external_id: ExternalId | UnsetType = UNSET


class Website(Struct, kw_only=True):
    """A website as it stands. ``regions`` are the names it is checked from, also where that is
    all of them."""

    id: UUID
    url: str
    name: str
    regions: list[str]
    check_frequency: int
    request_timeout: int
    http_method: str
    request_headers: dict[str, str]
    request_body: str
    expected_status_codes: list[int | str]
    follow_redirects: bool
    verify_ssl: bool
    paused: bool
    alert_emails: list[str]
    external_id: str | None
    status: Status
    created_at: dt.datetime
    updated_at: dt.datetime


class WebsitePage(Struct):
    """Websites, and the cursor of the next page; null on the last."""

    items: list[Website]
    next_cursor: str | None


RegionName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]{0,31}$",
        description="1 to 32 of a-z, 0-9 and -, starting with a letter.",
        examples=["europe"],
    ),
]
Description = Annotated[str, Meta(max_length=255)]


class NewRegion(Struct, kw_only=True):
    """A place to check from."""

    name: RegionName
    description: Description = ""


class RegionChange(Struct, kw_only=True):
    """What to change of a region; its name stays."""

    description: Description | UnsetType = UNSET


class Region(Struct, kw_only=True):
    """A region. ``last_seen_at``: when it last finished a batch of checks, ``network``: "ok", or
    "lost" where it measures nothing because it has no network; null: never, or not known now."""

    name: str
    description: str
    created_at: dt.datetime
    updated_at: dt.datetime
    last_seen_at: dt.datetime | None
    network: str | None


class RegionPage(Struct):
    """Regions by name, and the cursor of the next page; null on the last."""

    items: list[Region]
    next_cursor: str | None


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


class Health(Struct):
    """The process answers."""

    status: str


class Readiness(Struct):
    """Whether each dependency answers: "ok" or "unavailable"."""

    status: str
    checks: dict[str, str]
