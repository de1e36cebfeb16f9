"""/regions."""

from __future__ import annotations

from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from monitor.api.auth import ADMIN, READ
from monitor.api.bodies import NewRegionBody, RegionChangeBody
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
    """Add a place to check from. Websites of all regions are checked from it too."""
    region = await regions.create(deps.pool, data)
    await deps.announce_changes()
    seen = regions.ReportedRegion(region, None)
    return Response(responses.region(seen), headers={"Location": f"/regions/{region.name}"})


@get("/", opt=READ, responses=problems(400))
async def list_regions(deps: Deps, limit: Limit = 100, cursor: Cursor = None) -> schemas.RegionPage:
    """Regions by name."""
    rows, next_cursor = await regions.page(deps.reading, deps.redis, limit, cursor)
    return schemas.RegionPage([responses.region(r) for r in rows], next_cursor)


@get("/{name:str}", opt=READ, responses=problems(400, 404))
async def read_region(name: FromPath[str], deps: Deps) -> schemas.Region:
    """One region."""
    return responses.region(await regions.get(deps.reading, deps.redis, name))


@patch(
    "/{name:str}",
    opt=ADMIN,
    dto=RegionChangeBody,
    responses=problems(400, 404, 413, 415, 422),
)
async def change_region(name: FromPath[str], data: JSONBody[Values], deps: Deps) -> schemas.Region:
    """Change the description."""
    return responses.region(await regions.change(deps.pool, deps.redis, name, data))


@delete("/{name:str}", opt=ADMIN, responses=problems(400, 404, 409))
async def delete_region(name: FromPath[str], deps: Deps, force: Force = False) -> None:
    """Remove a region. One that websites are checked from needs `force=true`.

    Websites that name this region lose it; one that named no other is then checked from nowhere,
    until it is given regions again.
    """
    await regions.delete(deps.pool, name, force=force)
    await deps.announce_changes()


router = Router(
    "/regions",
    route_handlers=[create_region, list_regions, read_region, change_region, delete_region],
    tags=["regions"],
)
