"""/websites/{id}/checks: single checks."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from monitor.api.auth import READ
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import problems
from monitor.api.parameters import Cursor, From, Limit, SeriesRegion, To, Zone
from monitor.api.responses import checks as responses
from monitor.api.schemas import checks as schemas
from monitor.domain.outcome import CheckResult
from monitor.resources.report_window import WindowQuery
from monitor.services.websites import checks
from monitor.services.websites.checks import Filter

ResultFilter = Annotated[
    CheckResult | None,
    QueryParameter(description="Only checks with this result; `not_measured`: only gaps."),
]


@get("/websites/{website_id:uuid}/checks", opt=READ, responses=problems(400, 404))
async def website_checks(
    website_id: FromPath[UUID],
    deps: Deps,
    *,
    region: SeriesRegion = None,
    result: ResultFilter = None,
    from_: From = None,
    to: To = None,
    tz: Zone = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> schemas.ChecksPage:
    """List the checks of a website, newest first, as long as they are kept.

    Slots that were due and not measured are listed as gaps, with the result `not_measured`: one for
    each row of them, from its first slot up to `until`, the slot that was due next. Time in which
    the website was paused is no gap.
    """
    chosen = Filter(WindowQuery(from_, to, tz), region, result)
    rows, next_cursor = await checks.page(deps.reports(), website_id, chosen, limit, cursor)
    return schemas.ChecksPage([responses.item(row) for row in rows], next_cursor)


router = Router("/", route_handlers=[website_checks], tags=["monitor"])
