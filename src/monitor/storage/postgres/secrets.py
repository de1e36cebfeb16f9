"""Stored secrets of websites, for encrypting them with another key."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from monitor.resources.check_options import SECRETS
from monitor.resources.request_headers import SHOWN
from monitor.resources.website import Draft
from monitor.resources.write_plan import Existing
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.website_rows import (
    DRAFT_COLUMNS,
    existing_of,
    options_json,
    tokens_json,
)


async def count_in_the_clear(connection: Connection) -> int:
    """How many websites have secrets that are not encrypted.

    An option is secret as a whole if it is text; of headers, those that may be shown are not.
    """
    cursor = await connection.execute(
        """
        SELECT count(*) FROM websites w
         WHERE w.has_secrets AND EXISTS (
               SELECT 1 FROM jsonb_each(w.options) o
                WHERE o.key = ANY(%(names)s) AND NOT coalesce(w.encrypted, '{}') ? o.key
                  AND CASE WHEN jsonb_typeof(o.value) <> 'object' THEN o.value <> '""'
                           ELSE EXISTS (SELECT 1 FROM jsonb_each_text(o.value) h
                                         WHERE h.value <> '' AND lower(h.key) <> ALL(%(shown)s))
                       END)
        """,
        {"names": list(SECRETS), "shown": list(SHOWN)},
    )
    row = await cursor.fetchone()
    return row[0] if row else 0


async def count(connection: Connection) -> int:
    """How many websites have secrets."""
    cursor = await connection.execute("SELECT count(*) FROM websites WHERE has_secrets")
    row = await cursor.fetchone()
    return row[0] if row else 0


async def sample(connection: Connection, size: int) -> list[Existing]:
    """A few websites with encrypted secrets, some of the oldest and of the newest."""
    query = f"""
        SELECT {DRAFT_COLUMNS} FROM websites w WHERE w.id IN (
            (SELECT id FROM websites WHERE has_secrets AND encrypted <> '{{}}'
              ORDER BY id LIMIT %(half)s)
            UNION
            (SELECT id FROM websites WHERE has_secrets AND encrypted <> '{{}}'
              ORDER BY id DESC LIMIT %(half)s))
    """  # noqa: S608 - constants
    cursor = await connection.execute(query.encode(), {"half": size // 2})
    return [existing_of(row) for row in await cursor.fetchall()]


async def lock_page(connection: Connection, after: UUID | None, size: int) -> list[Existing]:
    """Lock and return the next websites with secrets, in id order."""
    query = f"""
        SELECT {DRAFT_COLUMNS} FROM websites w
         WHERE w.has_secrets AND (%(after)s::uuid IS NULL OR w.id > %(after)s)
         ORDER BY w.id LIMIT %(size)s FOR NO KEY UPDATE
    """  # noqa: S608 - constants
    cursor = await connection.execute(query.encode(), {"after": after, "size": size})
    return [existing_of(row) for row in await cursor.fetchall()]


async def store(connection: Connection, drafts: Sequence[tuple[UUID, Draft]]) -> None:
    """Store newly encrypted secrets, whose plain text is unchanged."""
    await connection.execute(
        """
        UPDATE websites w SET options = u.options, encrypted = u.encrypted
          FROM unnest(%s::uuid[], %s::jsonb[], %s::jsonb[]) u (id, options, encrypted)
         WHERE w.id = u.id
        """,
        [
            [i for i, _ in drafts],
            [options_json(d.check) for _, d in drafts],
            [tokens_json(d.encrypted) for _, d in drafts],
        ],
    )
