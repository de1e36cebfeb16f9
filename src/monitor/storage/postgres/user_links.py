"""The table of links that are used once. A link that was used is gone."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct

from monitor.domain.people import LinkPurpose
from monitor.storage.postgres.pool import Connection


class LinkInfo(Struct, frozen=True):
    """A link without its token. ``user_id``: None for the first admin's."""

    purpose: LinkPurpose
    user_id: UUID | None
    expires_at: dt.datetime


async def replace(
    connection: Connection,
    digest: bytes,
    purpose: LinkPurpose,
    user_id: UUID | None,
    lifetime: dt.timedelta,
) -> dt.datetime:
    """Store a link in place of the one before it, if any; returns when it expires."""
    await connection.execute(
        "DELETE FROM user_links WHERE user_id IS NOT DISTINCT FROM %s", [user_id]
    )
    cursor = await connection.execute(
        """
        INSERT INTO user_links (hash, purpose, user_id, expires_at)
        VALUES (%s, %s, %s, now() + %s) RETURNING expires_at
        """,
        [digest, purpose.value, user_id, lifetime],
    )
    row = await cursor.fetchone()
    assert row is not None
    expires_at: dt.datetime = row[0]
    return expires_at


async def fetch(connection: Connection, digest: bytes) -> LinkInfo | None:
    """A link that can be used; None if there is none."""
    cursor = await connection.execute(
        "SELECT purpose, user_id, expires_at FROM user_links"
        " WHERE hash = %s AND expires_at > now()",
        [digest],
    )
    row = await cursor.fetchone()
    return None if row is None else LinkInfo(LinkPurpose(row[0]), row[1], row[2])


async def use(connection: Connection, digest: bytes) -> LinkInfo | None:
    """Use a link up; None if it was used, replaced or has expired."""
    cursor = await connection.execute(
        """
        DELETE FROM user_links WHERE hash = %s AND expires_at > now()
        RETURNING purpose, user_id, expires_at
        """,
        [digest],
    )
    row = await cursor.fetchone()
    return None if row is None else LinkInfo(LinkPurpose(row[0]), row[1], row[2])


async def remove(connection: Connection, user_id: UUID) -> None:
    """Remove the link of a person, if there is one."""
    await connection.execute("DELETE FROM user_links WHERE user_id = %s", [user_id])


async def expire(connection: Connection) -> int:
    """Delete links that have expired; returns how many."""
    cursor = await connection.execute("DELETE FROM user_links WHERE expires_at <= now()")
    return cursor.rowcount
