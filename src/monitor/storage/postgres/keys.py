"""The table of API keys, which stores only the hash of each secret."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct
from psycopg.rows import TupleRow

from monitor.domain.access import KeyState, Role
from monitor.storage.postgres.pool import Connection


class KeyInfo(Struct, frozen=True, kw_only=True):
    """A key without its secret. ``last_used_at`` is accurate to the minute; ``replaces`` is its
    predecessor, ``replaced_by`` its successor. ``created_by``: the person who made it, or whose key
    did; None if that was nobody's, or they are gone."""

    id: UUID
    name: str
    role: Role
    state: KeyState
    created_at: dt.datetime
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None
    replaces: UUID | None
    replaced_by: UUID | None
    created_by: UUID | None


class KeyHash(Struct, frozen=True):
    """What is needed to check a key: the SHA-256 of its secret, and its remaining seconds."""

    name: str
    role: Role
    hash: bytes
    state: KeyState = KeyState.ACTIVE
    left_s: float | None = None
    used_lately: bool = False


_STATE = """
    CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'
         WHEN k.expires_at <= now() THEN 'expired' ELSE 'active' END
"""
_SELECT = f"""
    SELECT k.id, k.name, k.role, {_STATE}, k.created_at, k.expires_at, k.last_used_at,
           k.revoked_at, (SELECT r.id FROM api_keys r WHERE r.replaced_by = k.id LIMIT 1),
           k.replaced_by, k.created_by
      FROM api_keys k
"""  # noqa: S608 - constants of this module


async def insert(
    connection: Connection,
    key_id: UUID,
    key: KeyHash,
    expires_in: float | None,
    created_by: UUID | None = None,
) -> None:
    """Store a key that expires in so many seconds; None: never."""
    await connection.execute(
        """
        INSERT INTO api_keys (id, name, role, hash, expires_at, created_by)
        VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s), %s)
        """,
        [key_id, key.name, key.role.value, key.hash, expires_in, created_by],
    )


async def hash_of(connection: Connection, key_id: UUID) -> KeyHash | None:
    """The stored hash and state of a key, valid or not; None if it does not exist."""
    query = f"""
        SELECT k.name, k.role, k.hash, {_STATE}, extract(epoch FROM k.expires_at - now())::float8,
               coalesce(k.last_used_at > now() - interval '1 minute', false)
          FROM api_keys k WHERE k.id = %s
    """  # noqa: S608 - constants of this module
    cursor = await connection.execute(query.encode(), [key_id])
    row = await cursor.fetchone()
    if row is None:
        return None
    return KeyHash(row[0], Role(row[1]), row[2], KeyState(row[3]), row[4], row[5])


async def note_use(connection: Connection, key_id: UUID) -> None:
    """Record that the key was used now, without waiting for locks or for the disk.

    Does nothing if another transaction has locked the row.
    """
    await connection.execute("SET LOCAL synchronous_commit = off")
    await connection.execute(
        """
        UPDATE api_keys SET last_used_at = now()
         WHERE id = (SELECT id FROM api_keys WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED)
        """,
        [key_id],
    )


async def fetch(connection: Connection, key_id: UUID) -> KeyInfo | None:
    """One key, or None."""
    cursor = await connection.execute(_SELECT.encode() + b" WHERE k.id = %s", [key_id])
    row = await cursor.fetchone()
    return None if row is None else _info(row)


async def fetch_page(connection: Connection, after: UUID | None, size: int) -> list[KeyInfo]:
    """The next keys, oldest first, including expired and revoked ones."""
    query = _SELECT.encode() + (
        b" WHERE %(after)s::uuid IS NULL OR k.id > %(after)s ORDER BY k.id LIMIT %(size)s"
    )
    cursor = await connection.execute(query, {"after": after, "size": size})
    return [_info(row) for row in await cursor.fetchall()]


def _info(row: TupleRow) -> KeyInfo:
    return KeyInfo(
        id=row[0],
        name=row[1],
        role=Role(row[2]),
        state=KeyState(row[3]),
        created_at=row[4],
        expires_at=row[5],
        last_used_at=row[6],
        revoked_at=row[7],
        replaces=row[8],
        replaced_by=row[9],
        created_by=row[10],
    )


async def lock(connection: Connection, key_id: UUID) -> KeyInfo | None:
    """Lock and return a key; None if it does not exist."""
    await connection.execute("SELECT 1 FROM api_keys WHERE id = %s FOR UPDATE", [key_id])
    return await fetch(connection, key_id)


async def revoke(connection: Connection, key_id: UUID) -> None:
    """Revoke a key."""
    await connection.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", [key_id])


async def made_by(connection: Connection, user_id: UUID) -> list[UUID]:
    """The valid keys that a person made, locked, in the order of their creation."""
    cursor = await connection.execute(
        """
        SELECT id FROM api_keys WHERE created_by = %s AND revoked_at IS NULL
           AND (expires_at IS NULL OR expires_at > now()) ORDER BY id FOR UPDATE
        """,
        [user_id],
    )
    return [key_id for (key_id,) in await cursor.fetchall()]


async def replace(connection: Connection, key_id: UUID, by: UUID, overlap_s: int) -> None:
    """Set a key's successor, and expire the key after the overlap, if it does not earlier."""
    await connection.execute(
        """
        UPDATE api_keys SET replaced_by = %s,
               expires_at = least(expires_at, now() + make_interval(secs => %s))
         WHERE id = %s
        """,
        [by, overlap_s, key_id],
    )
