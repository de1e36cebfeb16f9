"""/websites: the monitored websites."""

from __future__ import annotations

from uuid import UUID

from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from monitor.api.auth import READ, WRITE
from monitor.api.bodies import NewWebsiteBody, WebsiteChangeBody
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import LOCATION, NewWebsiteOperation, problems
from monitor.api.parameters import (
    Cursor,
    Included,
    Limit,
    PausedFilter,
    RegionFilter,
    SortOrder,
    StatusFilter,
    TextFilter,
)
from monitor.api.responses import website as responses
from monitor.api.routes import bulk_change
from monitor.api.schemas import website as schemas
from monitor.resources.fields import Values
from monitor.services.websites import latest as latest_status
from monitor.services.websites import manage as websites
from monitor.services.websites.latest import Query


@post(
    "/",
    opt=WRITE,
    dto=NewWebsiteBody,
    operation_class=NewWebsiteOperation,
    response_headers=[LOCATION],
    responses=problems(400, 409, 413, 415, 422),
)
async def create_website(data: JSONBody[Values], deps: Deps) -> Response[schemas.Website]:
    """Create a website. It is checked at once unless it is paused."""
    stored = await websites.create(deps.pool, deps.vault, data, deps.clock())
    await deps.announce_changes()
    view = await latest_status.show(deps.sources(), stored)
    location = f"/websites/{stored.website.id}"
    return Response(responses.website(view), headers={"Location": location})


@get("/", opt=READ, responses=problems(400))
async def list_websites(
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
) -> schemas.WebsitePage:
    """List websites, in order of creation unless `sort` says otherwise.

    Statuses are `unknown` while Redis is unavailable.
    """
    query = Query(region=region, status=status, paused=paused, q=q, sort=sort)
    page = await latest_status.page(
        deps.sources(), query, limit, cursor, need_states=False, include=include
    )
    return responses.website_page(page, sort)


@get("/{website_id:uuid}", opt=READ, responses=problems(400, 404))
async def read_website(website_id: FromPath[UUID], deps: Deps) -> schemas.Website:
    """Get one website."""
    stored = await websites.get(deps.reading, website_id)
    return responses.website(await latest_status.show(deps.sources(), stored))


@patch(
    "/{website_id:uuid}",
    opt=WRITE,
    dto=WebsiteChangeBody,
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def change_website(
    website_id: FromPath[UUID], data: JSONBody[Values], deps: Deps
) -> schemas.Website:
    """Change the given fields. If the check changes, the website is checked at once.

    The value of a secret that is sent counts as changed, even if it is the stored one.

    null resets `regions` to all, `name` to the default made from the URL, and `external_id` to
    none.
    """
    stored = await websites.change(deps.pool, deps.vault, website_id, data, deps.clock())
    await deps.announce_changes()
    return responses.website(await latest_status.show(deps.sources(), stored))


@delete("/{website_id:uuid}", opt=WRITE, responses=problems(400, 404))
async def delete_website(website_id: FromPath[UUID], deps: Deps) -> None:
    """Remove a website and its downtime history. If it is down, its recipients are told."""
    await websites.delete(deps.pool, website_id)
    await deps.announce_changes()


router = Router(
    "/websites",
    route_handlers=[
        create_website,
        list_websites,
        read_website,
        change_website,
        delete_website,
        *bulk_change.handlers,
    ],
    tags=["websites"],
)
