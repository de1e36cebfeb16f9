"""/regions: the places that checks run from."""

from __future__ import annotations

from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from monitor.api.auth import ADMIN, READ
from monitor.api.bodies import NewRegionBody, RegionChangeBody
from monitor.api.deadline import ONE_LONG_TRANSACTION
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import LOCATION, problems
from monitor.api.parameters import Cursor, Force, Limit
from monitor.api.responses import region as responses
from monitor.api.schemas import region as schemas
from monitor.resources.fields import Values
from monitor.services.workers import regions


@post(
    "/",
    opt=ADMIN,
    dto=NewRegionBody,
    response_headers=[LOCATION],
    responses=problems(400, 409, 413, 415, 422),
)
async def create_region(data: JSONBody[Values], deps: Deps) -> Response[schemas.Region]:
    """Add a region. Websites checked from all regions are then checked from it, too."""
    region = await regions.create(deps.pool, data)
    await deps.announce_changes()
    reported = regions.ReportedRegion(region, None)
    return Response(responses.region(reported), headers={"Location": f"/regions/{region.name}"})


@get("/", opt=READ, responses=problems(400))
async def list_regions(deps: Deps, limit: Limit = 100, cursor: Cursor = None) -> schemas.RegionPage:
    """List regions by name."""
    rows, next_cursor = await regions.page(deps.reading, deps.redis, limit, cursor)
    return schemas.RegionPage([responses.region(r) for r in rows], next_cursor)


@get("/{name:str}", opt=READ, responses=problems(400, 404))
async def read_region(name: FromPath[str], deps: Deps) -> schemas.Region:
    """Get one region."""
    return responses.region(await regions.get(deps.reading, deps.redis, name))


@patch(
    "/{name:str}",
    opt=ADMIN,
    dto=RegionChangeBody,
    responses=problems(400, 404, 413, 415, 422),
)
async def change_region(name: FromPath[str], data: JSONBody[Values], deps: Deps) -> schemas.Region:
    """Change the description of a region."""
    return responses.region(await regions.change(deps.pool, deps.redis, name, data))


@delete("/{name:str}", opt=ADMIN | ONE_LONG_TRANSACTION, responses=problems(400, 404, 409))
async def delete_region(name: FromPath[str], deps: Deps, force: Force = False) -> None:
    """Remove a region; `force=true` is required if websites are checked from it.

    The region is removed from all websites that name it. A website that names no other region is
    no longer checked until it gets new ones. Incidents end where no other regions hold the website
    down, and their recipients are told.
    """
    await regions.delete(deps.pool, name, force=force)
    await deps.announce_changes()


router = Router(
    "/regions",
    route_handlers=[create_region, list_regions, read_region, change_region, delete_region],
    tags=["regions"],
)
