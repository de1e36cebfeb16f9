"""/keys: API keys."""

from __future__ import annotations

from uuid import UUID

from litestar import Response, Router, delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec.structs import asdict

from monitor.api.auth import ADMIN
from monitor.api.bodies import NewKeyBody, RotationBody
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import LOCATION, problems
from monitor.api.parameters import Cursor, Limit
from monitor.api.schemas import key as schemas_keys
from monitor.resources.key import NewKey, Rotation
from monitor.services.access import keys


@post(
    "/",
    opt=ADMIN,
    dto=NewKeyBody,
    response_headers=[LOCATION],
    responses=problems(400, 413, 415, 422),
)
async def create_key(data: JSONBody[NewKey], deps: Deps) -> Response[schemas_keys.MadeKey]:
    """Create a key. Only this response ever shows `key`."""
    return _created(await keys.create(deps.pool, data))


@get("/", opt=ADMIN, responses=problems(400))
async def list_keys(deps: Deps, limit: Limit = 100, cursor: Cursor = None) -> schemas_keys.KeyPage:
    """List keys, oldest first, including expired and revoked ones."""
    rows, next_cursor = await keys.page(deps.reading, limit, cursor)
    return schemas_keys.KeyPage([schemas_keys.Key(**asdict(k)) for k in rows], next_cursor)


@get("/{key_id:uuid}", opt=ADMIN, responses=problems(400, 404))
async def read_key(key_id: FromPath[UUID], deps: Deps) -> schemas_keys.Key:
    """Get one key."""
    return schemas_keys.Key(**asdict(await keys.get(deps.reading, key_id)))


@post(
    "/{key_id:uuid}/rotate",
    opt=ADMIN,
    dto=RotationBody,
    response_headers=[LOCATION],
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def rotate_key(
    key_id: FromPath[UUID], data: JSONBody[Rotation], deps: Deps
) -> Response[schemas_keys.MadeKey]:
    """Create a successor with the same name and role, which is valid at once.

    The old key remains valid for `overlap` seconds, which leaves time to deploy the new one. Only
    this response ever shows `key`.
    """
    return _created(await keys.rotate_key(deps.pool, key_id, data))


@delete("/{key_id:uuid}", opt=ADMIN, responses=problems(400, 404))
async def revoke_key(key_id: FromPath[UUID], deps: Deps) -> None:
    """Revoke a key permanently; it may still be accepted for 5 seconds."""
    await keys.revoke_key(deps.pool, key_id)


def _created(created: keys.CreatedKey) -> Response[schemas_keys.MadeKey]:
    shown = schemas_keys.MadeKey(**asdict(created.info), key=created.text)
    return Response(shown, headers={"Location": f"/keys/{created.info.id}"})


router = Router(
    "/keys",
    route_handlers=[create_key, list_keys, read_key, rotate_key, revoke_key],
    tags=["keys"],
)
