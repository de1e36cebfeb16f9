"""The tables of sessions, and of the browsers in which people have signed in before.

Both store only the SHA-256 of what the browser holds.
"""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct
from psycopg.rows import TupleRow

from monitor.domain.access import Role
from monitor.domain.people import BROWSER_LIFETIME, Person, SessionLifetime
from monitor.storage.postgres.pool import Connection

MAX_SESSIONS, MAX_BROWSERS = 50, 50
"""Of a person; the ones unused for longest give way."""


class SessionInfo(Struct, frozen=True, kw_only=True):
    """A session without its token. ``last_used_at`` is accurate to the minute."""

    id: UUID
    created_at: dt.datetime
    last_used_at: dt.datetime
    user_agent: str
    address: str | None


class NewSession(Struct, frozen=True):
    """A session that begins: the hash of its token, and who connects."""

    id: UUID
    hash: bytes
    user_agent: str
    address: str | None


class StoredSession(Struct, frozen=True):
    """Whose session it is, and whether its use was noted within a minute."""

    person: Person
    used_lately: bool


_ALIVE = "s.created_at > now() - %(total)s AND s.last_used_at > now() - %(unused)s"


def _spans(lifetime: SessionLifetime) -> dict[str, dt.timedelta]:
    return {"total": lifetime.total, "unused": lifetime.unused}


async def insert(connection: Connection, user_id: UUID, session: NewSession) -> None:
    """Store a session that begins now; of too many, the one unused for longest ends."""
    await connection.execute(
        """
        INSERT INTO user_sessions (id, hash, user_id, user_agent, address)
        VALUES (%s, %s, %s, %s, %s)
        """,
        [session.id, session.hash, user_id, session.user_agent, session.address],
    )
    await connection.execute("UPDATE users SET last_seen_at = now() WHERE id = %s", [user_id])
    await connection.execute(
        """
        DELETE FROM user_sessions WHERE id IN (
            SELECT id FROM user_sessions WHERE user_id = %s
             ORDER BY last_used_at DESC, id DESC OFFSET %s)
        """,
        [user_id, MAX_SESSIONS],
    )


async def identify(
    connection: Connection, digest: bytes, lifetime: SessionLifetime
) -> StoredSession | None:
    """Who a token's session belongs to; None if it has ended or the person may not sign in."""
    query = f"""
        SELECT u.id, s.id, u.email, u.role, u.zone, s.last_used_at > now() - interval '1 minute'
          FROM user_sessions s JOIN users u ON u.id = s.user_id
         WHERE s.hash = %(hash)s AND u.disabled_at IS NULL AND {_ALIVE}
    """  # noqa: S608 - constants of this module
    cursor = await connection.execute(query.encode(), {"hash": digest, **_spans(lifetime)})
    row = await cursor.fetchone()
    if row is None:
        return None
    return StoredSession(Person(row[0], row[1], row[2], Role(row[3]), row[4]), row[5])


async def note_use(connection: Connection, session_id: UUID) -> None:
    """Record that a session is used now, without waiting for locks or for the disk."""
    await connection.execute("SET LOCAL synchronous_commit = off")
    await connection.execute(
        """
        UPDATE user_sessions SET last_used_at = now()
         WHERE id = (SELECT id FROM user_sessions WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED)
        """,
        [session_id],
    )
    await connection.execute(
        """
        UPDATE users SET last_seen_at = now()
         WHERE id = (SELECT u.id FROM users u JOIN user_sessions s ON s.user_id = u.id
                      WHERE s.id = %s FOR NO KEY UPDATE OF u SKIP LOCKED)
        """,
        [session_id],
    )


async def fetch_all(
    connection: Connection, user_id: UUID, lifetime: SessionLifetime
) -> list[SessionInfo]:
    """The sessions of a person, the last used first."""
    query = f"""
        SELECT s.id, s.created_at, s.last_used_at, s.user_agent, s.address FROM user_sessions s
         WHERE s.user_id = %(user)s AND {_ALIVE} ORDER BY s.last_used_at DESC, s.id DESC
    """  # noqa: S608 - constants of this module
    cursor = await connection.execute(query.encode(), {"user": user_id, **_spans(lifetime)})
    return [_info(row) for row in await cursor.fetchall()]


def _info(row: TupleRow) -> SessionInfo:
    return SessionInfo(
        id=row[0], created_at=row[1], last_used_at=row[2], user_agent=row[3], address=row[4]
    )


async def end_by_token(connection: Connection, digest: bytes) -> None:
    """End the session of a token, if there is one."""
    await connection.execute("DELETE FROM user_sessions WHERE hash = %s", [digest])


async def end(connection: Connection, user_id: UUID, session_id: UUID) -> bool:
    """End a session of a person; False if it is not one of theirs."""
    cursor = await connection.execute(
        "DELETE FROM user_sessions WHERE id = %s AND user_id = %s", [session_id, user_id]
    )
    return cursor.rowcount == 1


async def end_all(connection: Connection, user_id: UUID) -> int:
    """End the sessions of a person; returns how many."""
    cursor = await connection.execute("DELETE FROM user_sessions WHERE user_id = %s", [user_id])
    return cursor.rowcount


async def remember_browser(connection: Connection, user_id: UUID, digest: bytes) -> None:
    """Remember that this person signed in in this browser now; of too many, the oldest goes."""
    await connection.execute(
        """
        INSERT INTO user_browsers (user_id, hash) VALUES (%s, %s)
        ON CONFLICT (user_id, hash) DO UPDATE SET used_at = now()
        """,
        [user_id, digest],
    )
    await connection.execute(
        """
        DELETE FROM user_browsers WHERE user_id = %(user)s AND hash IN (
            SELECT hash FROM user_browsers WHERE user_id = %(user)s
             ORDER BY used_at DESC, hash OFFSET %(most)s)
        """,
        {"user": user_id, "most": MAX_BROWSERS},
    )


async def is_known_browser(connection: Connection, digest: bytes) -> bool:
    """Whether anybody has signed in in this browser before."""
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT 1 FROM user_browsers WHERE hash = %s)", [digest]
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def expire(connection: Connection, lifetime: SessionLifetime) -> int:
    """Delete sessions that have ended, and forget old browsers; returns how many sessions."""
    query = f"DELETE FROM user_sessions s WHERE NOT ({_ALIVE})"  # noqa: S608 - constants
    cursor = await connection.execute(query.encode(), _spans(lifetime))
    await connection.execute(
        "DELETE FROM user_browsers WHERE used_at <= now() - %s", [BROWSER_LIFETIME]
    )
    return cursor.rowcount
