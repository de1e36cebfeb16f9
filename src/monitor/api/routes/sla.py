"""/sla and /websites/{id}/sla: availability reports."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from litestar import Response, Router, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from monitor.api.auth import READ
from monitor.api.deadline import BY_BLOCK
from monitor.api.dependencies import Deps
from monitor.api.openapi.bulk import CSV, SLA, ExportOperation
from monitor.api.openapi.document import problems
from monitor.api.parameters import (
    Cursor,
    From,
    PausedFilter,
    RegionFilter,
    SeriesRegion,
    StatusFilter,
    TextFilter,
    To,
    Zone,
)
from monitor.api.requests import AnyRequest
from monitor.api.responses import sla as responses
from monitor.api.schemas import sla as schemas
from monitor.resources.report_window import WindowQuery
from monitor.services.reports import sla as reports
from monitor.services.websites.latest import Query


class ReportFormat(StrEnum):
    """The formats of reports."""

    JSON = "json"
    CSV = "csv"


SlaFormat = Annotated[
    ReportFormat | None,
    QueryParameter(description="JSON, a page at a time, or CSV. Default: as `Accept` says."),
]
PageSize = Annotated[
    int, QueryParameter(ge=1, le=100, description="Maximum number of items per page.")
]


@get("/websites/{website_id:uuid}/sla", opt=READ, responses=problems(400, 404))
async def website_sla(
    website_id: FromPath[UUID],
    deps: Deps,
    *,
    from_: From = None,
    to: To = None,
    tz: Zone = None,
    region: SeriesRegion = None,
) -> schemas.Sla:
    """Get the availability of a website in seconds, with its bounds, and its response times.

    Every second of the window is in the first class that fits: excluded (paused), not measured (no
    region had a verdict that counted), down (an incident was open), up. `availability.measured` is
    up / (up + down); `low` counts what was not measured as down, `high` as up. `regions` has the
    same of each region by its own verdicts, or of `region` alone.

    Seconds are exact at any edge. Percentiles of up to 3 days come from single checks; those of
    longer windows are within 1.1 %, and are of the hours, or of the days of UTC, that
    `response_ms.from` and `to` name.
    """
    asked = WindowQuery(from_, to, tz)
    report = await reports.of_website(deps.reports(), website_id, asked, region)
    return responses.sla(report)


@get(
    "/sla",
    opt=READ | BY_BLOCK,
    operation_class=ExportOperation,
    responses={200: SLA} | problems(400),
)
async def list_sla(
    request: AnyRequest,
    deps: Deps,
    *,
    from_: From = None,
    to: To = None,
    tz: Zone = None,
    region: RegionFilter = None,
    status: StatusFilter = None,
    paused: PausedFilter = None,
    q: TextFilter = None,
    format: SlaFormat = None,  # noqa: A002 - the parameter's name in the query
    limit: PageSize = 100,
    cursor: Cursor = None,
) -> Response[schemas.SlaPage] | Stream:
    """List the same of all matching websites, in order of creation, with totals.

    As JSON it is paged, and `totals` are those of the page. As CSV (`format=csv`, or `Accept:
    text/csv`) it is all websites from `cursor` on, however many, with the totals of all of them in
    the last row; one without that row is incomplete. Totals are made from the sums of seconds: they
    are no averages of ratios.
    """
    asked = WindowQuery(from_, to, tz)
    query = Query(region=region, status=status, paused=paused, q=q)
    listing = await reports.Listing.begin(deps.reports(), query, asked, cursor)
    page = await listing.next(limit)
    if _is_csv(request, format):
        name = {"Content-Disposition": 'attachment; filename="sla.csv"'}
        media_type = f"{CSV}; header=present"  # to which the charset is added
        return Stream(
            responses.rows(page.window, listing.rest(page, limit)),
            media_type=media_type,
            headers=name,
        )
    return Response(responses.page(page, listing.cursor))


def _is_csv(request: AnyRequest, asked: ReportFormat | None) -> bool:
    """What the query says, or else the header Accept (RFC 9110, section 12.5.1)."""
    if asked is not None:
        return asked is ReportFormat.CSV
    return request.accept.best_match(["application/json", CSV]) == CSV


router = Router("/", route_handlers=[website_sla, list_sla], tags=["monitor"])
