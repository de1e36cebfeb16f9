"""/users: people who sign in."""

from __future__ import annotations

from uuid import UUID

from litestar import Response, Router, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec.structs import asdict

from monitor.api.auth import ADMIN
from monitor.api.bodies import NewUserBody, UserChangeBody
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import LOCATION, problems
from monitor.api.parameters import Cursor, Limit, RevokeKeys
from monitor.api.schemas import user as schemas
from monitor.domain.people import SessionLifetime
from monitor.resources.fields import Values
from monitor.resources.user import UserSettings
from monitor.services.people import users
from monitor.services.people.users import Invited
from monitor.storage.postgres.user_sessions import SessionInfo


@post(
    "/",
    opt=ADMIN,
    dto=NewUserBody,
    response_headers=[LOCATION],
    responses=problems(400, 409, 413, 415, 422),
)
async def invite_user(data: JSONBody[UserSettings], deps: Deps) -> Response[schemas.LinkedUser]:
    """Invite a person. Only this response ever shows the token of their link, which is valid for 7
    days: with it they choose a password."""
    invited = await users.invite(deps.pool, data)
    return Response(_linked(invited), headers={"Location": f"/users/{invited.info.id}"})


@get("/", opt=ADMIN, responses=problems(400))
async def list_users(deps: Deps, limit: Limit = 100, cursor: Cursor = None) -> schemas.UserPage:
    """List people, those first invited first, including disabled ones."""
    rows, next_cursor = await users.page(deps.reading, limit, cursor)
    return schemas.UserPage([schemas.User(**asdict(u)) for u in rows], next_cursor)


@get("/{user_id:uuid}", opt=ADMIN, responses=problems(400, 404))
async def read_user(user_id: FromPath[UUID], deps: Deps) -> schemas.User:
    """Get one person."""
    return schemas.User(**asdict(await users.get(deps.reading, user_id)))


@patch(
    "/{user_id:uuid}",
    opt=ADMIN,
    dto=UserChangeBody,
    responses=problems(400, 404, 409, 413, 415, 422),
)
async def change_user(
    user_id: FromPath[UUID], data: JSONBody[Values], deps: Deps, revoke_keys: RevokeKeys = False
) -> schemas.User:
    """Change the role or time zone of a person, or disable them, which ends their sessions at once.

    The last admin who can sign in can be neither demoted nor disabled. API keys that a person made
    (`active_keys`) go on working, unless `revoke_keys=true`.
    """
    changed = await users.change(deps.pool, user_id, data, revoke_keys=revoke_keys)
    return schemas.User(**asdict(changed))


@delete("/{user_id:uuid}", opt=ADMIN, responses=problems(400, 404, 409))
async def delete_user(user_id: FromPath[UUID], deps: Deps, revoke_keys: RevokeKeys = False) -> None:
    """Delete a person, which ends their sessions at once; the audit log keeps what they did.

    The last admin who can sign in cannot be deleted. API keys that a person made (`active_keys`) go
    on working, unless `revoke_keys=true`.
    """
    await users.delete(deps.pool, user_id, revoke_keys=revoke_keys)


@post("/{user_id:uuid}/reset", opt=ADMIN, status_code=200, responses=problems(400, 404, 409))
async def reset_user(user_id: FromPath[UUID], deps: Deps) -> schemas.LinkedUser:
    """Make a link with which a person chooses another password, valid for an hour; for who was
    invited and has none, another invitation, valid for 7 days.

    Only this response ever shows its token. The password and the sessions stay until it is used.
    """
    return _linked(await users.reset(deps.pool, user_id))


@get("/{user_id:uuid}/sessions", opt=ADMIN, responses=problems(400, 404))
async def list_user_sessions(user_id: FromPath[UUID], deps: Deps) -> schemas.UserSessions:
    """List the sessions of a person, the last used first."""
    lifetime = deps.session_lifetime
    rows = await users.list_sessions(deps.reading, user_id, lifetime)
    return schemas.UserSessions([_session(row, lifetime) for row in rows])


@delete("/{user_id:uuid}/sessions", opt=ADMIN, responses=problems(400, 404))
async def end_user_sessions(user_id: FromPath[UUID], deps: Deps) -> None:
    """End all sessions of a person at once; they may sign in again."""
    await users.end_sessions(deps.pool, user_id)


def _linked(invited: Invited) -> schemas.LinkedUser:
    link = schemas.UserLink(**asdict(invited.link))
    return schemas.LinkedUser(**asdict(invited.info), link=link)


def _session(info: SessionInfo, lifetime: SessionLifetime) -> schemas.UserSession:
    ends_at = lifetime.ends_at(info.created_at, info.last_used_at)
    return schemas.UserSession(**asdict(info), ends_at=ends_at)


router = Router(
    "/users",
    route_handlers=[
        invite_user,
        list_users,
        read_user,
        change_user,
        delete_user,
        reset_user,
        list_user_sessions,
        end_user_sessions,
    ],
    tags=["users"],
)
