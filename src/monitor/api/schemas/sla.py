"""Schemas of availability reports."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct, field

_RATIO = Meta(ge=0, le=1)


class Availability(Struct):
    """Shares of the time that is not excluded. ``measured``: of what was measured, null if nothing
    was. ``low`` and ``high``: had all that was not measured been down, or up."""

    measured: Annotated[float, _RATIO] | None
    low: Annotated[float, _RATIO]
    high: Annotated[float, _RATIO]


class ReportedResponseTimes(Struct, kw_only=True):
    """Milliseconds, of the checks of [from, to). Null without any, or where they were not kept.

    ``exact``: the percentiles come from the checks themselves; else they are within 1.1 % of that.
    """

    mean: float | None
    p50: float | None
    p75: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    exact: bool
    from_: dt.datetime = field(name="from")
    to: dt.datetime


class Figures(Struct, kw_only=True):
    """Availability and response times. Incidents are cut to the window, and last as long as they
    were measured. ``average_incident_s`` and ``mean_time_between_failures_s``: null without
    incidents. ``checks``: of the time that ``response_ms`` names."""

    availability: Availability
    total_downtime_s: int
    not_measured_s: int
    excluded_s: int
    number_of_incidents: int
    longest_incident_s: int
    average_incident_s: float | None
    mean_time_between_failures_s: float | None
    checks: int
    response_ms: ReportedResponseTimes


class RegionFigures(Figures, kw_only=True):
    """The figures of one region, by its own verdicts; an incident is a time in which it was down.

    Time in which it did not check the website is excluded.
    """

    region: str


class WebsiteFigures(Figures, kw_only=True):
    """The figures of a website in [from, to), and of the regions that checked it then.

    ``from`` is later than was asked for where the website is younger.
    """

    website_id: UUID
    url: str
    name: str
    from_: dt.datetime = field(name="from")
    to: dt.datetime
    regions: list[RegionFigures]


class Sla(WebsiteFigures, kw_only=True):
    """The figures of one website. ``formula``: the version of the rules that they follow."""

    formula: int


class SlaPage(Struct, kw_only=True):
    """Reports about websites. ``totals``: those of this page together, made from their seconds.

    ``next_cursor`` is null on the last page; later pages have the window of the first.
    """

    formula: int
    from_: dt.datetime = field(name="from")
    to: dt.datetime
    items: list[WebsiteFigures]
    totals: Figures
    next_cursor: str | None
