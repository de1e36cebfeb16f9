"""/monitor: results of checks."""

from __future__ import annotations

from uuid import UUID

from litestar import Router, get
from litestar.params import FromPath

from monitor.api.auth import READ
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import problems
from monitor.api.parameters import (
    Cursor,
    Days,
    From,
    Included,
    Limit,
    PausedFilter,
    RegionFilter,
    SeriesRegion,
    SortOrder,
    StatusFilter,
    TextFilter,
    To,
    Zone,
)
from monitor.api.responses import monitor as responses
from monitor.api.schemas import monitor as schemas
from monitor.resources.report_window import WindowQuery
from monitor.services.incidents import downtime
from monitor.services.websites import latest as latest_status
from monitor.services.websites import series
from monitor.services.websites.latest import Query
from monitor.services.websites.series import Shown


@get("/", opt=READ, responses=problems(400))
async def latest_statuses(
    deps: Deps,
    *,
    region: RegionFilter = None,
    status: StatusFilter = None,
    paused: PausedFilter = None,
    q: TextFilter = None,
    sort: SortOrder = None,
    include: Included = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> schemas.LatestPage:
    """List the latest status of all websites by region, in order of creation unless `sort` says
    otherwise.
    """
    query = Query(region=region, status=status, paused=paused, q=q, sort=sort)
    page = await latest_status.page(
        deps.sources(), query, limit, cursor, need_states=True, include=include
    )
    return responses.latest_page(page, sort)


@get("/{website_id:uuid}", opt=READ, responses=problems(400, 404))
async def website_series(
    website_id: FromPath[UUID],
    deps: Deps,
    *,
    days: Days = None,
    from_: From = None,
    to: To = None,
    tz: Zone = None,
    region: SeriesRegion = None,
) -> schemas.WebsiteSeries:
    """Get response times and uptime of the last days, or of a window of up to 400 days.

    Without `region` there is a series for each current region of the website and each earlier
    one with results in this span. A bucket without measurements is absent from `points`: a gap is
    neither up nor down. `uptime` counts them all; its `measured_ratio` is the share of the slots
    due in this span that were measured. What was due is what was due then: pauses, intervals and
    regions count for as long as they lasted. `gaps` says why nothing was measured, and exactly
    when.

    There are at most 500 points a region, in buckets that [`since`, `until`) is made of: that may
    be somewhat more than what was asked for. Up to 3 days are made from single checks, and exact.
    Longer spans are made from hours, and what is older than single checks are kept from days (UTC),
    with percentiles within 1.1 %.
    """
    shown = Shown(days, WindowQuery(from_, to, tz))
    chart = await series.series(deps.reports(), website_id, shown, region)
    return responses.series(chart)


@get("/{website_id:uuid}/downtime", opt=READ, responses=problems(400, 404))
async def downtime_history(
    website_id: FromPath[UUID], deps: Deps, limit: Limit = 100, cursor: Cursor = None
) -> schemas.DowntimePage:
    """List downtimes of the website, newest first; `resolved_at` is null while one lasts."""
    rows, next_cursor = await downtime.page(deps.reading, website_id, limit, cursor)
    now_s = deps.clock()
    return schemas.DowntimePage([responses.incident(i, now_s) for i in rows], next_cursor)


@get("/{website_id:uuid}/last_downtime", opt=READ, responses=problems(400, 404))
async def last_downtime(website_id: FromPath[UUID], deps: Deps) -> schemas.Downtime:
    """Get the latest downtime; 404 with the code `no_downtime` if there was none."""
    incident = await downtime.last(deps.reading, website_id)
    return responses.incident(incident, deps.clock())


router = Router(
    "/monitor",
    route_handlers=[latest_statuses, website_series, downtime_history, last_downtime],
    tags=["monitor"],
)
