"""What the websites listed in ``bulk_change`` send that may be secret."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from msgspec import UNSET, Struct
from psycopg import sql

from monitor.domain.website import Sealed
from monitor.resources.validation import WebsiteFields
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.websites import sealed_of

SEALED = {"request_headers": "sealed_headers", "request_body": "sealed_body"}
"""Where what is hidden of these columns is."""

_PAGE = 200
"""Bodies may be long."""


class Secrets(Struct, frozen=True):
    """What a listed website sends that may be secret."""

    id: UUID
    url: str
    request_headers: dict[str, str]
    request_body: str
    sealed: Sealed


async def with_secrets(connection: Connection) -> AsyncIterator[list[Secrets]]:
    """Those of the listed websites that send headers or a body, in pages."""
    async with connection.cursor("secrets") as cursor:
        await cursor.execute(
            """
            SELECT id, w.url, w.request_headers, w.request_body, w.sealed_headers, w.sealed_body
              FROM bulk_change JOIN websites w USING (id)
             WHERE w.sealed_headers IS NOT NULL OR w.sealed_body IS NOT NULL
                OR w.request_headers <> '{}' OR w.request_body <> ''
            """
        )
        while rows := await cursor.fetchmany(_PAGE):
            yield [
                Secrets(i, url, headers, body, sealed_of(sealed_headers, sealed_body))
                for i, url, headers, body, sealed_headers, sealed_body in rows
            ]


async def note_different(connection: Connection, website_ids: Sequence[UUID]) -> None:
    """Note listed websites that seal something else than they are to."""
    await connection.execute(
        "UPDATE bulk_change SET secrets_differ = true WHERE id = ANY(%s)", [list(website_ids)]
    )


def secrets_differ(fields: WebsiteFields) -> list[sql.Composable]:
    """What a comparison of what is shown does not tell."""
    sent = [column for name, column in SEALED.items() if getattr(fields, name) is not UNSET]
    sealing = [
        sql.SQL("(w.{} IS NULL) <> ({}::text IS NULL)").format(
            sql.Identifier(column), sql.Placeholder(column)
        )
        for column in sent
    ]
    return [*sealing, sql.SQL("b.secrets_differ")] if sent else []
