"""Sessions: begun, recognised, listed and ended. What the browser holds is stored hashed."""

from __future__ import annotations

import os
import secrets
import time
from uuid import UUID

from msgspec import Struct

from monitor.domain.errors import NotFound
from monitor.domain.ids import uuid7
from monitor.domain.outcome import printable
from monitor.domain.people import Person, SessionLifetime
from monitor.resources.audit import Action, Actor
from monitor.services.access import audit
from monitor.services.access.keys import hash_of
from monitor.storage.postgres import sign_in_limits, user_links, user_sessions
from monitor.storage.postgres.pool import Connection, Pool, session, transaction

_USER_AGENT_LIMIT = 255


class Visitor(Struct, frozen=True):
    """Who connects, and what their browser holds of us: the token of a session, and that which says
    that somebody signed in in it before."""

    address: str | None
    user_agent: str = ""
    session: str | None = None
    browser: str | None = None

    def __repr__(self) -> str:
        """Omits the tokens."""
        return f"Visitor({self.address})"


class Begun(Struct, frozen=True):
    """A session that has begun, and what the browser is to hold of it."""

    user_id: UUID
    session_id: UUID
    session: str
    browser: str

    def __repr__(self) -> str:
        """Omits the tokens."""
        return f"Begun({self.session_id})"


def new_id() -> UUID:
    """An id that sorts by the time it was made."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def actor_of(user_id: UUID, email: str, visitor: Visitor) -> Actor:
    """The actor in the audit log for a person."""
    return Actor(email, None, visitor.address, user_id)


async def begin(connection: Connection, user_id: UUID, visitor: Visitor) -> Begun:
    """Begin a session in this transaction: with a token of its own, in place of the browser's
    session before."""
    token, browser = secrets.token_urlsafe(32), await _browser_of(connection, visitor)
    if visitor.session is not None:
        await user_sessions.end_by_token(connection, hash_of(visitor.session))
    info = user_sessions.NewSession(
        new_id(), hash_of(token), printable(visitor.user_agent, _USER_AGENT_LIMIT), visitor.address
    )
    await user_sessions.insert(connection, user_id, info)
    await user_sessions.remember_browser(connection, user_id, hash_of(browser))
    return Begun(user_id, info.id, token, browser)


async def _browser_of(connection: Connection, visitor: Visitor) -> str:
    """What is to tell this browser again: what it holds if that is ours, whoever signed in in it.

    What others may have put there would be known to them, too.
    """
    held = visitor.browser
    if held is not None and await user_sessions.is_known_browser(connection, hash_of(held)):
        return held
    return secrets.token_urlsafe(32)


async def identify(pool: Pool, token: str, lifetime: SessionLifetime) -> Person | None:
    """Who a session belongs to; None if it has ended or they may not sign in any more."""
    async with session(pool) as connection:
        stored = await user_sessions.identify(connection, hash_of(token), lifetime)
        if stored is not None and not stored.used_lately:
            # Not ``atomic``: no caller asks whether this was stored.
            async with connection.transaction():
                await user_sessions.note_use(connection, stored.person.session_id)
    return None if stored is None else stored.person


async def sign_out(pool: Pool, token: str) -> None:
    """End the session of this browser, if there is one."""
    async with transaction(pool) as connection:
        await user_sessions.end_by_token(connection, hash_of(token))


async def end(pool: Pool, user_id: UUID, session_id: UUID) -> None:
    """End a session of a person. Raises NotFound."""
    async with transaction(pool) as connection:
        if not await user_sessions.end(connection, user_id, session_id):
            raise NotFound("session_not_found", "There is no session with this id.")
        await audit.note(connection, Action.USER_SESSIONS_ENDED, user_id, sessions_ended=1)


async def expire(pool: Pool, lifetime: SessionLifetime) -> int:
    """Delete sessions, links and limits that are over; returns how many."""
    async with transaction(pool) as connection:
        ended = await user_sessions.expire(connection, lifetime)
        return ended + await user_links.expire(connection) + await sign_in_limits.expire(connection)
