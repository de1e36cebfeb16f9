"""Responses with availability reports: as objects, and as rows of CSV."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from monitor.api.responses.times import from_unix
from monitor.api.schemas import sla as schemas
from monitor.domain.availability import FORMULA
from monitor.domain.report import Figures, Responses, total
from monitor.domain.windows import Window
from monitor.resources.spreadsheets import Guard
from monitor.resources.website_csv import text
from monitor.services.reports.sla import Page, WebsiteReport

_RATIO_DIGITS = 9
"""A second of thirty years shows."""

_guard = Guard(())


def sla(one: WebsiteReport) -> schemas.Sla:
    """The report about one website."""
    return schemas.Sla(formula=FORMULA, **_website(one))


def page(of: Page, next_cursor: str | None) -> schemas.SlaPage:
    """A page of reports and their totals."""
    return schemas.SlaPage(
        formula=FORMULA,
        from_=from_unix(of.window.since_s),
        to=from_unix(of.window.until_s),
        items=[schemas.WebsiteFigures(**_website(one)) for one in of.reports],
        totals=schemas.Figures(**_figures(of.total)),
        next_cursor=next_cursor,
    )


def _website(one: WebsiteReport) -> dict[str, Any]:
    website, report = one.website, one.report
    return {
        "website_id": website.id,
        "url": website.check.url,
        "name": website.name,
        "from_": from_unix(report.window.since_s),
        "to": from_unix(report.window.until_s),
        "regions": [
            schemas.RegionFigures(region=name, **_figures(figures))
            for name, figures in report.regions.items()
        ],
    } | _figures(report.overall)


def _figures(of: Figures) -> dict[str, Any]:
    seconds, incidents = of.seconds, of.incidents
    return {
        "availability": schemas.Availability(
            _rounded(seconds.measured, _RATIO_DIGITS),
            round(seconds.low, _RATIO_DIGITS),
            round(seconds.high, _RATIO_DIGITS),
        ),
        "total_downtime_s": seconds.down_s,
        "not_measured_s": seconds.not_measured_s,
        "excluded_s": seconds.excluded_s,
        "number_of_incidents": incidents.number,
        "longest_incident_s": incidents.longest_s,
        "average_incident_s": _rounded(incidents.average_s),
        "mean_time_between_failures_s": _rounded(incidents.mean_time_between_s(seconds)),
        "checks": of.responses.checks,
        "response_ms": _response_times(of.responses),
    }


def _response_times(of: Responses) -> schemas.ReportedResponseTimes:
    p50, p75, p90, p95, p99 = map(_rounded, of.quantiles_ms())
    return schemas.ReportedResponseTimes(
        mean=_rounded(of.mean_ms),
        p50=p50,
        p75=p75,
        p90=p90,
        p95=p95,
        p99=p99,
        max=_rounded(of.max_ms),
        exact=of.exact_ms is not None,
        from_=from_unix(of.span.since_s),
        to=from_unix(of.span.until_s),
    )


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


_AVAILABILITY = ("measured", "low", "high")
_SUMS = (
    "total_downtime_s",
    "not_measured_s",
    "excluded_s",
    "number_of_incidents",
    "longest_incident_s",
    "average_incident_s",
    "mean_time_between_failures_s",
    "checks",
)
_RESPONSES = ("mean", "p50", "p75", "p90", "p95", "p99", "max", "exact", "from_", "to")

COLUMNS = (
    "website_id",
    "url",
    "name",
    "from",
    "to",
    *(f"availability_{name}" for name in _AVAILABILITY),
    *_SUMS,
    *(f"response_ms_{name.rstrip('_')}" for name in _RESPONSES),
    "formula",
)
"""The columns of the CSV: the fields of a website's figures, without regions."""

TOTAL = "total"
"""What the last row has instead of a name."""


async def rows(window: Window, pages: AsyncGenerator[Page]) -> AsyncGenerator[bytes]:
    """Reports as CSV, in UTF-8: a website a row, and the totals of all of them in the last one."""
    yield text([COLUMNS]).encode()
    totals: Figures | None = None
    async with aclosing(pages) as open_pages:
        async for each in open_pages:
            sums = each.total
            totals = sums if totals is None else total([totals, sums], sums.responses.span)
            yield text(_row(one) for one in each.reports).encode()
    assert totals is not None  # there is a page, if an empty one
    yield text([_cells(["", "", TOTAL], window, totals)]).encode()


def _row(one: WebsiteReport) -> list[str]:
    website = one.website
    names = [str(website.id), _guard.put(website.check.url), _guard.put(website.name)]
    return _cells(names, one.report.window, one.report.overall)


def _cells(names: Sequence[str], window: Window, of: Figures) -> list[str]:
    figures = _figures(of)
    values = [
        from_unix(window.since_s),
        from_unix(window.until_s),
        *(getattr(figures["availability"], name) for name in _AVAILABILITY),
        *(figures[name] for name in _SUMS),
        *(getattr(figures["response_ms"], name) for name in _RESPONSES),
        FORMULA,
    ]
    return [*names, *map(_cell, values)]


def _cell(value: object) -> str:
    """A value as a cell; what is null is blank."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case dt.datetime():
            return f"{value:%Y-%m-%dT%H:%M:%SZ}"
        case _:
            return str(value)
