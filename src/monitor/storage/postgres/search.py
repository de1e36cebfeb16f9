"""The column that searches look through, and filling it in after an upgrade."""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString
from uuid import UUID

import psycopg

from monitor.resources.search import search_text
from monitor.storage.postgres.pool import Connection

MATCHES: LiteralString = """strpos(coalesce(w.search_text,
    lower(w.url COLLATE "C") || E'\\n' || lower(w.name COLLATE "C")), %(q)s) > 0"""
"""Whether ``websites w`` contains the folded text ``q``, in which nothing is a wildcard."""

Progress = Callable[[int, int], None]
"""Called with (done, total) websites."""

_PAGE = 2000

_MISSING = """
      FROM websites
     WHERE search_text IS NULL
       AND (octet_length(name) <> char_length(name) OR octet_length(url) <> char_length(url))
"""

_NEXT = f"""
    SELECT id, url, name {_MISSING} AND (%(after)s::uuid IS NULL OR id > %(after)s)
     ORDER BY id LIMIT {_PAGE}
"""

_FILL = """
    UPDATE websites w SET search_text = u.search_text
      FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) u (id, url, name, search_text)
     WHERE w.id = u.id AND w.url = u.url AND w.name = u.name
"""


async def count_missing(connection: Connection) -> int:
    """For how many websites ``fill`` has something to do."""
    cursor = await connection.execute(f"SELECT count(*) {_MISSING}".encode())
    row = await cursor.fetchone()
    return row[0] if row else 0


def fill(connection: psycopg.Connection, progress: Progress) -> None:
    """Fill in the column where it is missing, each page in a transaction of its own.

    Idempotent: a run that was interrupted is continued by the next one. A website that is changed
    meanwhile is left to whoever changes it.
    """
    row = connection.execute(f"SELECT count(*) {_MISSING}".encode()).fetchone()
    total = row[0] if row else 0
    done, after = 0, None
    while done < total:
        rows = connection.execute(_NEXT.encode(), {"after": after}).fetchall()
        if not rows:
            return
        _store(connection, rows)
        after, done = rows[-1][0], done + len(rows)
        progress(done, max(done, total))


def _store(connection: psycopg.Connection, rows: list[tuple[UUID, str, str]]) -> None:
    ids, urls, names = (list(column) for column in zip(*rows, strict=True))
    texts = [search_text(url, name) for url, name in zip(urls, names, strict=True)]
    connection.execute(_FILL, [ids, urls, names, texts])
