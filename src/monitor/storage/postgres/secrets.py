"""What is sealed of websites, and how it is sealed anew."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from monitor.resources.bulk_plan import Known
from monitor.resources.validation import Draft
from monitor.storage.postgres.bulk_websites import DRAFT_COLUMNS, known_of
from monitor.storage.postgres.pool import Connection

_SOME = """(w.sealed_headers IS NOT NULL OR w.sealed_body IS NOT NULL
            OR w.request_headers <> '{}' OR w.request_body <> '')"""
"""As the index websites_with_secrets has it."""


async def any_in_the_clear(connection: Connection) -> bool:
    """Whether a website has headers or a body that is not sealed."""
    query = f"""
        SELECT EXISTS (SELECT 1 FROM websites w WHERE {_SOME}
                          AND w.sealed_headers IS NULL AND w.sealed_body IS NULL)
    """  # noqa: S608 - constants of this module
    cursor = await connection.execute(query.encode())
    row = await cursor.fetchone()
    return bool(row and row[0])


async def count(connection: Connection) -> int:
    """How many websites have headers or a body."""
    cursor = await connection.execute(f"SELECT count(*) FROM websites w WHERE {_SOME}".encode())  # noqa: S608 - constants
    row = await cursor.fetchone()
    return row[0] if row else 0


async def lock_page(connection: Connection, after: UUID | None, size: int) -> list[Known]:
    """The next websites with headers or a body, by id, unchangeable until the transaction ends."""
    query = f"""
        SELECT {DRAFT_COLUMNS} FROM websites w
         WHERE {_SOME} AND (%(after)s::uuid IS NULL OR w.id > %(after)s)
         ORDER BY w.id LIMIT %(size)s FOR NO KEY UPDATE
    """  # noqa: S608 - constants of this module
    cursor = await connection.execute(query.encode(), {"after": after, "size": size})
    return [known_of(row) for row in await cursor.fetchall()]


async def store(connection: Connection, sealed: Sequence[tuple[UUID, Draft]]) -> None:
    """Write what is sealed of these websites; what is sent for them stays what it is."""
    await connection.execute(
        """
        UPDATE websites w
           SET request_headers = u.request_headers, request_body = u.request_body,
               sealed_headers = u.sealed_headers, sealed_body = u.sealed_body
          FROM unnest(%s::uuid[], %s::jsonb[], %s::text[], %s::text[], %s::text[])
               u (id, request_headers, request_body, sealed_headers, sealed_body)
         WHERE w.id = u.id
        """,
        [
            [i for i, _ in sealed],
            [msgspec.json.encode(d.check.request_headers).decode() for _, d in sealed],
            [d.check.request_body for _, d in sealed],
            [d.sealed.headers or None for _, d in sealed],
            [d.sealed.body or None for _, d in sealed],
        ],
    )
