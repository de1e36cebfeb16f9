"""The table of people who sign in."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg.rows import TupleRow

from monitor.domain.access import Role
from monitor.domain.errors import Conflict
from monitor.domain.people import UserState
from monitor.storage.postgres.pool import Connection


class UserInfo(Struct, frozen=True, kw_only=True):
    """A person without their password. ``last_seen_at`` is accurate to the minute;
    ``active_keys``: how many of the API keys that they made are valid."""

    id: UUID
    email: str
    role: Role
    zone: str
    state: UserState
    created_at: dt.datetime
    disabled_at: dt.datetime | None
    last_seen_at: dt.datetime | None
    active_keys: int


class Credentials(Struct, frozen=True):
    """What a try to sign in is checked against. ``remembered``: whether this person has signed in
    in that browser before."""

    user_id: UUID
    password_hash: str | None
    state: UserState
    remembered: bool


_STATE = """
    CASE WHEN u.disabled_at IS NOT NULL THEN 'disabled'
         WHEN u.password_hash IS NULL THEN 'invited' ELSE 'active' END
"""
_SELECT = f"""
    SELECT u.id, u.email, u.role, u.zone, {_STATE}, u.created_at, u.disabled_at, u.last_seen_at,
           (SELECT count(*) FROM api_keys k WHERE k.created_by = u.id AND k.revoked_at IS NULL
               AND (k.expires_at IS NULL OR k.expires_at > now()))
      FROM users u
"""  # noqa: S608 - constants of this module
_FOLDED = 'lower(u.email COLLATE "C")'


async def insert(connection: Connection, user_id: UUID, email: str, role: Role, zone: str) -> None:
    """Store a person who has no password yet. Raises Conflict if the address is taken."""
    try:
        await connection.execute(
            "INSERT INTO users (id, email, role, zone) VALUES (%s, %s, %s, %s)",
            [user_id, email, role.value, zone],
        )
    except psycopg.errors.UniqueViolation as error:
        raise Conflict("user_exists", "There is already a user with this address.", "email") from (
            error
        )


async def fetch(connection: Connection, user_id: UUID) -> UserInfo | None:
    """One person, or None."""
    cursor = await connection.execute(_SELECT.encode() + b" WHERE u.id = %s", [user_id])
    row = await cursor.fetchone()
    return None if row is None else _info(row)


async def fetch_by_email(connection: Connection, email: str) -> UserInfo | None:
    """The person with this address, in whatever case; None if there is none."""
    query = f'{_SELECT} WHERE {_FOLDED} = lower(%s COLLATE "C")'
    cursor = await connection.execute(query.encode(), [email])
    row = await cursor.fetchone()
    return None if row is None else _info(row)


async def fetch_page(connection: Connection, after: UUID | None, size: int) -> list[UserInfo]:
    """The next people, those first invited first, including disabled ones."""
    query = _SELECT.encode() + (
        b" WHERE %(after)s::uuid IS NULL OR u.id > %(after)s ORDER BY u.id LIMIT %(size)s"
    )
    cursor = await connection.execute(query, {"after": after, "size": size})
    return [_info(row) for row in await cursor.fetchall()]


def _info(row: TupleRow) -> UserInfo:
    return UserInfo(
        id=row[0],
        email=row[1],
        role=Role(row[2]),
        zone=row[3],
        state=UserState(row[4]),
        created_at=row[5],
        disabled_at=row[6],
        last_seen_at=row[7],
        active_keys=row[8],
    )


async def lock(connection: Connection, user_id: UUID) -> UserInfo | None:
    """Lock and return a person; None if they do not exist."""
    await connection.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", [user_id])
    return await fetch(connection, user_id)


async def lock_active_admins(connection: Connection) -> frozenset[UUID]:
    """Lock the admins who can sign in; call it before anybody else is locked.

    Who of two waits for the other sees what the other left, so that each sees the true number.
    """
    cursor = await connection.execute(
        """
        SELECT id FROM users
         WHERE role = 'admin' AND disabled_at IS NULL AND password_hash IS NOT NULL
         ORDER BY id FOR UPDATE
        """
    )
    return frozenset(user_id for (user_id,) in await cursor.fetchall())


async def any_active_admin(connection: Connection) -> bool:
    """Whether there is an admin who can sign in."""
    cursor = await connection.execute(
        """
        SELECT EXISTS (SELECT 1 FROM users WHERE role = 'admin' AND disabled_at IS NULL
                          AND password_hash IS NOT NULL)
        """
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def credentials(
    connection: Connection, email: str, browser: bytes | None
) -> Credentials | None:
    """What to check a password against, and whether this browser, by its hash, is known."""
    query = f"""
        SELECT u.id, u.password_hash, {_STATE},
               EXISTS (SELECT 1 FROM user_browsers b WHERE b.user_id = u.id AND b.hash = %s)
          FROM users u WHERE {_FOLDED} = lower(%s COLLATE "C")
    """  # noqa: S608 - constants of this module
    cursor = await connection.execute(query.encode(), [browser, email])
    row = await cursor.fetchone()
    return None if row is None else Credentials(row[0], row[1], UserState(row[2]), row[3])


async def password_hash(connection: Connection, user_id: UUID) -> str | None:
    """The hash of a person's password, the person locked; None if they may not sign in."""
    cursor = await connection.execute(
        "SELECT password_hash FROM users WHERE id = %s AND disabled_at IS NULL FOR UPDATE",
        [user_id],
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def set_password(connection: Connection, user_id: UUID, hashed: str) -> None:
    """Store the hash of a new password."""
    await connection.execute("UPDATE users SET password_hash = %s WHERE id = %s", [hashed, user_id])


async def rehash(connection: Connection, user_id: UUID, old: str, new: str) -> None:
    """Store another hash of the same password, unless there is another password meanwhile."""
    await connection.execute(
        "UPDATE users SET password_hash = %s WHERE id = %s AND password_hash = %s",
        [new, user_id, old],
    )


async def update(
    connection: Connection, user_id: UUID, *, role: Role, zone: str, disabled: bool
) -> None:
    """Store what can be changed of a person."""
    await connection.execute(
        """
        UPDATE users SET role = %s, zone = %s,
               disabled_at = CASE WHEN %s THEN coalesce(disabled_at, now()) END
         WHERE id = %s
        """,
        [role.value, zone, disabled, user_id],
    )


async def delete(connection: Connection, user_id: UUID) -> None:
    """Delete a person, with their sessions, links and browsers."""
    await connection.execute("DELETE FROM users WHERE id = %s", [user_id])
