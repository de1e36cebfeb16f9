"""One-time links: random, stored hashed, used up by accepting them. Opening one changes nothing."""

from __future__ import annotations

import datetime as dt
import secrets
from uuid import UUID

from msgspec import Struct

from monitor.domain.access import Role
from monitor.domain.errors import Conflict, InvalidInput, NotFound
from monitor.domain.passwords import problem_of
from monitor.domain.people import LINK_LIFETIMES, LinkPurpose, UserState
from monitor.resources.audit import Action, created
from monitor.resources.user import UserSettings
from monitor.services.access import audit
from monitor.services.access.keys import hash_of
from monitor.services.people import sessions
from monitor.services.people.hashing import Hasher
from monitor.services.people.sessions import Begun, Visitor
from monitor.storage.postgres import user_links, user_sessions, users
from monitor.storage.postgres.pool import Connection, Pool, transaction
from monitor.storage.postgres.user_links import LinkInfo
from monitor.storage.postgres.users import UserInfo


class Link(Struct, frozen=True):
    """A new link. Its token is not stored and shown to one person only."""

    purpose: LinkPurpose
    token: str
    expires_at: dt.datetime

    def __repr__(self) -> str:
        """Omits the token."""
        return f"Link({self.purpose})"


class OpenLink(Struct, frozen=True):
    """What may be shown to whoever opens a link: whose it is. None: the first admin's."""

    purpose: LinkPurpose
    expires_at: dt.datetime
    user: UserInfo | None


async def make(connection: Connection, purpose: LinkPurpose, user_id: UUID | None) -> Link:
    """Make a link in this transaction; the one before it, if any, is void."""
    token = secrets.token_urlsafe(32)
    lifetime = LINK_LIFETIMES[purpose]
    expires_at = await user_links.replace(connection, hash_of(token), purpose, user_id, lifetime)
    return Link(purpose, token, expires_at)


async def link_first_admin(pool: Pool) -> Link:
    """A link for whoever is to be the first admin. Raises Conflict if there is an admin."""
    async with transaction(pool) as connection:
        if await users.any_active_admin(connection):
            raise Conflict("admin_exists", "There is an admin, who can invite others.")
        link = await make(connection, LinkPurpose.FIRST_ADMIN, None)
        await audit.note(connection, Action.ADMIN_LINKED, None, expires_at=link.expires_at)
        return link


async def look(pool: Pool, token: str) -> OpenLink:
    """What a link is for. Raises NotFound for one that cannot be used."""
    async with transaction(pool) as connection:
        return await _open(connection, await user_links.fetch(connection, hash_of(token)))


async def _open(connection: Connection, link: LinkInfo | None) -> OpenLink:
    if link is None:
        raise _unusable()
    if link.user_id is None:
        if await users.any_active_admin(connection):
            raise _unusable()
        return OpenLink(link.purpose, link.expires_at, None)
    user = await users.fetch(connection, link.user_id)
    if user is None or user.state is UserState.DISABLED:
        raise _unusable()
    return OpenLink(link.purpose, link.expires_at, user)


def _unusable() -> NotFound:
    return NotFound(
        "link_not_found", "This link was used, replaced or has expired; ask for another one."
    )


async def accept(
    pool: Pool,
    hasher: Hasher,
    token: str,
    password: str,
    *,
    visitor: Visitor,
    first_admin: UserSettings | None = None,
) -> Begun:
    """Use a link up: set the password, end all sessions and begin one.

    ``first_admin``: who it is, where the link does not say; the role is admin whatever it has.
    Raises NotFound for a link that cannot be used, InvalidInput, Conflict where the address of the
    first admin is taken, and Busy.
    """
    opened = await look(pool, token)
    email = _email_of(opened, first_admin)
    problem = problem_of(password, (email,))
    if problem is not None:
        raise InvalidInput.of("password", problem)
    hashed = await hasher.hash(password)
    async with transaction(pool) as connection:
        if opened.user is not None:
            # Before the link, as whoever replaces or removes it does.
            await users.lock(connection, opened.user.id)
        opened = await _open(connection, await user_links.use(connection, hash_of(token)))
        user_id = await _user_of(connection, opened, first_admin)
        return await _join(connection, user_id, hashed, opened.purpose, visitor)


def _email_of(opened: OpenLink, first_admin: UserSettings | None) -> str:
    if opened.user is not None:
        return opened.user.email
    if first_admin is None:
        raise InvalidInput.of("email", "is required")
    return first_admin.email


async def _user_of(
    connection: Connection, opened: OpenLink, first_admin: UserSettings | None
) -> UUID:
    if opened.user is not None:
        return opened.user.id
    assert first_admin is not None
    user_id = sessions.new_id()
    await users.insert(connection, user_id, first_admin.email, Role.ADMIN, first_admin.zone)
    return user_id


async def _join(
    connection: Connection, user_id: UUID, hashed: str, purpose: LinkPurpose, visitor: Visitor
) -> Begun:
    await users.set_password(connection, user_id, hashed)
    ended = await user_sessions.end_all(connection, user_id)
    begun = await sessions.begin(connection, user_id, visitor)
    user = await users.fetch(connection, user_id)
    assert user is not None
    with audit.acting(sessions.actor_of(user.id, user.email, visitor)):
        if purpose is LinkPurpose.RESET:
            await audit.note(
                connection, Action.USER_PASSWORD_CHANGED, user_id, by="link", sessions_ended=ended
            )
        else:
            changes = created({"email": user.email, "role": user.role})
            await audit.note(connection, Action.USER_JOINED, user_id, changes, by=purpose)
    return begun
