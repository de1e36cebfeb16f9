"""/websites/export: all websites in one response."""

from __future__ import annotations

from litestar import Router, get
from litestar.response import Stream

from monitor.api.auth import READ
from monitor.api.deadline import BY_BLOCK, ONE_LONG_TRANSACTION
from monitor.api.dependencies import Deps
from monitor.api.openapi.bulk import CSV, NDJSON, WEBSITES, ExportOperation
from monitor.api.openapi.document import problems
from monitor.api.parameters import (
    ExportFormat,
    Format,
    PausedFilter,
    RegionFilter,
    TextFilter,
)
from monitor.api.responses import bulk as responses
from monitor.services.bulk.export import Export
from monitor.storage.postgres.websites import Filter


@get(
    "/",
    opt=READ | BY_BLOCK | ONE_LONG_TRANSACTION,
    operation_class=ExportOperation,
    responses={200: WEBSITES} | problems(400),
)
async def export_websites(
    deps: Deps,
    *,
    format: ExportFormat = Format.NDJSON,  # noqa: A002 - the parameter's name in the query
    region: RegionFilter = None,
    paused: PausedFilter = None,
    q: TextFilter = None,
) -> Stream:
    """Export all matching websites as of one instant, in order of creation.

    Each line of `ndjson` is an object that POST /websites/bulk accepts, here or on another
    installation. `csv` has the same fields as columns, for `monitor import`: lists are joined by
    `;`, `request_headers` is JSON, and what is empty is a word, `all` for all regions, else `none`.
    Text that a spreadsheet would take for a number, a date, a boolean or a formula is prefixed with
    `'`, and so is text that begins or ends with a blank, begins with `'` or is one of these words;
    remove one `'` to get the value.

    A response that is cut off is incomplete.
    """
    exported = await Export.begin(deps.exporter(), Filter(region, paused, None, q))
    name = {"Content-Disposition": f'attachment; filename="websites.{format}"'}
    if format is Format.CSV:
        rows = exported.watched(responses.website_rows(exported.pages()))
        return Stream(rows, media_type=f"{CSV}; header=present", headers=name)
    lines = exported.watched(responses.website_lines(exported.pages()))
    return Stream(lines, media_type=NDJSON, headers=name)


router = Router("/websites/export", route_handlers=[export_websites], tags=["websites"])
