"""People: inviting, changing, disabling and deleting them. The last admin stays."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from monitor.domain.access import Role
from monitor.domain.errors import Conflict, NotFound
from monitor.domain.people import LinkPurpose, SessionLifetime, UserState, is_last_admin
from monitor.resources import cursors
from monitor.resources.audit import Action, Change, created, removed
from monitor.resources.fields import Values
from monitor.resources.user import UserSettings
from monitor.services.access import audit
from monitor.services.access.keys import revoke_keys_of
from monitor.services.people import links, sessions
from monitor.services.people.links import Link
from monitor.storage.postgres import user_links, user_sessions, users
from monitor.storage.postgres.pool import Connection, Pool, transaction
from monitor.storage.postgres.user_sessions import SessionInfo
from monitor.storage.postgres.users import UserInfo

_FINGERPRINT = cursors.fingerprint("users")


class Invited(Struct, frozen=True):
    """A person, and the link with which they choose a password."""

    info: UserInfo
    link: Link


async def invite(pool: Pool, new: UserSettings) -> Invited:
    """Create a person, who may sign in once they have used the link. Raises Conflict where the
    address is taken."""
    async with transaction(pool) as connection:
        user_id = sessions.new_id()
        await users.insert(connection, user_id, new.email, new.role, new.zone)
        link = await links.make(connection, LinkPurpose.INVITATION, user_id)
        changes = created({"email": new.email, "role": new.role, "zone": new.zone})
        await audit.note(connection, Action.USER_INVITED, user_id, changes)
        return Invited(await _fetch(connection, user_id), link)


async def reset(pool: Pool, user_id: UUID) -> Invited:
    """A new link: to choose another password, or for who was invited to choose the first.

    The password stays until it is used. Raises NotFound, and Conflict for who is disabled.
    """
    async with transaction(pool) as connection:
        user = await _lock(connection, user_id)
        if user.state is UserState.DISABLED:
            raise Conflict("user_disabled", "This user is disabled; enable them first.")
        invited = user.state is UserState.INVITED
        purpose = LinkPurpose.INVITATION if invited else LinkPurpose.RESET
        link = await links.make(connection, purpose, user_id)
        await audit.note(connection, Action.USER_RESET_LINKED, user_id, purpose=purpose)
        return Invited(user, link)


async def get(pool: Pool, user_id: UUID) -> UserInfo:
    """One person. Raises NotFound."""
    async with transaction(pool) as connection:
        return await _fetch(connection, user_id)


async def find(pool: Pool, name: str) -> UserInfo:
    """The person with this id or address. Raises NotFound."""
    async with transaction(pool) as connection:
        try:
            user = await users.fetch(connection, UUID(name))
        except ValueError:
            user = await users.fetch_by_email(connection, name)
    if user is None:
        raise _missing("There is no user with this id or address.")
    return user


async def page(pool: Pool, limit: int, cursor: str | None) -> tuple[list[UserInfo], str | None]:
    """The next people, those first invited first, and the cursor after them. Raises BadQuery."""
    after = cursors.decode_id(cursor, _FINGERPRINT)
    async with transaction(pool) as connection:
        rows = await users.fetch_page(connection, after, limit + 1)
    more = len(rows) > limit
    return rows[:limit], cursors.encode(rows[limit - 1].id.bytes, _FINGERPRINT) if more else None


async def change(pool: Pool, user_id: UUID, sent: Values, *, revoke_keys: bool = False) -> UserInfo:
    """Change role, time zone, or whether they are disabled, which ends their sessions at once.

    ``revoke_keys``: also revoke the API keys that they made. Raises NotFound, and Conflict for the
    last admin.
    """
    async with transaction(pool) as connection:
        admins = await users.lock_active_admins(connection)
        before = await _lock(connection, user_id)
        settings = _settings(before)
        after = {**settings, **sent}
        if after["role"] is not Role.ADMIN or after["disabled"]:
            _must_not_be_last(user_id, admins)
        await users.update(connection, user_id, **after)
        await _after_change(connection, user_id, settings, after, revoke_keys=revoke_keys)
        return await _fetch(connection, user_id)


def _settings(user: UserInfo) -> dict[str, Any]:
    disabled = user.state is UserState.DISABLED
    return {"role": user.role, "zone": user.zone, "disabled": disabled}


async def _after_change(
    connection: Connection, user_id: UUID, before: Values, after: Values, *, revoke_keys: bool
) -> None:
    details = {}
    if after["disabled"]:
        await user_links.remove(connection, user_id)
        details["sessions_ended"] = await user_sessions.end_all(connection, user_id)
    if revoke_keys:
        details["keys_revoked"] = await revoke_keys_of(connection, user_id)
    changes = {n: Change(old, after[n]) for n, old in before.items() if old != after[n]}
    if changes or any(details.values()):
        await audit.note(connection, Action.USER_CHANGED, user_id, changes, **details)


async def delete(pool: Pool, user_id: UUID, *, revoke_keys: bool = False) -> None:
    """Delete a person, which ends their sessions at once; what they did stays in the audit log.

    ``revoke_keys``: also revoke the API keys that they made. Raises NotFound, and Conflict for the
    last admin.
    """
    async with transaction(pool) as connection:
        admins = await users.lock_active_admins(connection)
        before = await _lock(connection, user_id)
        _must_not_be_last(user_id, admins)
        revoked = await revoke_keys_of(connection, user_id) if revoke_keys else 0
        await users.delete(connection, user_id)
        changes = removed({"email": before.email, "role": before.role, "zone": before.zone})
        await audit.note(connection, Action.USER_DELETED, user_id, changes, keys_revoked=revoked)


async def list_sessions(pool: Pool, user_id: UUID, lifetime: SessionLifetime) -> list[SessionInfo]:
    """The sessions of a person, the last used first; at most 50. Raises NotFound."""
    async with transaction(pool) as connection:
        await _fetch(connection, user_id)
        return await user_sessions.fetch_all(connection, user_id, lifetime)


async def end_sessions(pool: Pool, user_id: UUID) -> None:
    """End all sessions of a person. Raises NotFound."""
    async with transaction(pool) as connection:
        await _lock(connection, user_id)
        ended = await user_sessions.end_all(connection, user_id)
        if ended:
            await audit.note(connection, Action.USER_SESSIONS_ENDED, user_id, sessions_ended=ended)


def _must_not_be_last(user_id: UUID, active_admins: frozenset[UUID]) -> None:
    if is_last_admin(user_id, active_admins):
        raise Conflict(
            "last_admin",
            "This is the last admin who can sign in; make somebody else one first.",
        )


async def _fetch(connection: Connection, user_id: UUID) -> UserInfo:
    user = await users.fetch(connection, user_id)
    if user is None:
        raise _missing()
    return user


async def _lock(connection: Connection, user_id: UUID) -> UserInfo:
    user = await users.lock(connection, user_id)
    if user is None:
        raise _missing()
    return user


def _missing(message: str = "There is no user with this id.") -> NotFound:
    return NotFound("user_not_found", message)
