"""API keys as they are stored: never the secret, only its hash."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct

from monitor.domain.access import Role
from monitor.storage.postgres.pool import Connection


class KeyInfo(Struct, frozen=True):
    """What may be shown of a key."""

    id: UUID
    name: str
    role: Role
    created_at: dt.datetime
    revoked_at: dt.datetime | None


class KeyHash(Struct, frozen=True):
    """What checking a key needs: the SHA-256 of its secret."""

    role: Role
    hash: bytes


async def insert(connection: Connection, key_id: UUID, name: str, key: KeyHash) -> None:
    await connection.execute(
        "INSERT INTO api_keys (id, name, role, hash) VALUES (%s, %s, %s, %s)",
        [key_id, name, key.role.value, key.hash],
    )


async def valid(connection: Connection, key_id: UUID) -> KeyHash | None:
    """What is stored of a key that exists and is not revoked."""
    cursor = await connection.execute(
        "SELECT role, hash FROM api_keys WHERE id = %s AND revoked_at IS NULL", [key_id]
    )
    row = await cursor.fetchone()
    return None if row is None else KeyHash(Role(row[0]), row[1])


async def fetch_all(connection: Connection) -> list[KeyInfo]:
    """All keys, revoked ones among them, oldest first."""
    cursor = await connection.execute(
        "SELECT id, name, role, created_at, revoked_at FROM api_keys ORDER BY created_at, id"
    )
    return [KeyInfo(r[0], r[1], Role(r[2]), r[3], r[4]) for r in await cursor.fetchall()]


async def revoke(connection: Connection, key_id: UUID) -> bool:
    """End a key; False where there is none or it has ended."""
    cursor = await connection.execute(
        "UPDATE api_keys SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL", [key_id]
    )
    return cursor.rowcount == 1
