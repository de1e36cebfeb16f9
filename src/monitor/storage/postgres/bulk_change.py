"""Changes all matching websites with one statement per table, however many they are.

The selected websites are listed in the temporary table ``bulk_change``, for one transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import sql

from monitor.resources.bulk_change import Timing, renames
from monitor.resources.check_options import OPTION_FIELDS, SECRETS, CheckOptions, without_defaults
from monitor.resources.fields import Values
from monitor.resources.search import search_text
from monitor.storage.postgres import closings, schedules, standings
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.website_rows import (
    CHECK_JSON,
    OPTION_COLUMNS,
    REQUEST_TIMEOUT,
    decode_check,
    decode_tokens,
    to_json,
)
from monitor.storage.postgres.websites import Filter, condition_values, conditions

_PAGE = 5000
_SECRETS_PAGE = 200
"""Small, because request bodies may be long."""

_TABLE = """
    CREATE TEMPORARY TABLE bulk_change (
        id             uuid NOT NULL,
        name           text,
        search_text    text,
        check_differs  boolean,
        region_differs boolean,
        region_lost    boolean,
        was_paused     boolean,
        paused         boolean
    ) ON COMMIT DROP
"""


class Secrets(Struct, frozen=True):
    """The options of a listed website, and the tokens of those that are encrypted."""

    id: UUID
    check: CheckOptions
    encrypted: dict[str, str]


async def begin(connection: Connection) -> None:
    """Raise the statement timeout, and lock all regions until the transaction ends.

    Removing a region would change websites although their rows are locked.
    """
    await connection.execute("SET LOCAL statement_timeout = '5min'")
    await connection.execute("SELECT 1 FROM regions ORDER BY name FOR KEY SHARE")


async def count(connection: Connection, filters: Filter) -> int:
    """How many websites match now."""
    query = sql.SQL("SELECT count(*) FROM websites w") + _where(filters)
    return await _number(connection, query, filters)


async def lock(connection: Connection, filters: Filter, *, deleting: bool) -> int:
    """Lock the matching websites in id order, and list them; returns how many.

    This may wait for a transaction that is changing one of them, but would still see that website's
    old regions. So a second statement, with a new snapshot, compares the listed ones again.
    """
    await connection.execute(_TABLE)
    strength = sql.SQL(" FOR UPDATE" if deleting else " FOR NO KEY UPDATE")
    listing = sql.SQL("INSERT INTO bulk_change (id) SELECT w.id FROM websites w") + _where(filters)
    await connection.execute(
        listing + sql.SQL(" ORDER BY w.id") + strength, condition_values(filters)
    )
    await connection.execute("ANALYZE bulk_change")
    again = sql.SQL(
        "DELETE FROM bulk_change b WHERE NOT EXISTS (SELECT 1 FROM websites w{})"
    ).format(_where(filters, sql.SQL("w.id = b.id")))
    await connection.execute(again, condition_values(filters))
    return await _number(connection, sql.SQL("SELECT count(*) FROM bulk_change"), filters)


def _where(filters: Filter, *more: sql.Composable) -> sql.Composable:
    clauses = [*more, *conditions(filters)]
    return sql.SQL(" WHERE ") + sql.SQL(" AND ").join(clauses) if clauses else sql.SQL("")


async def _number(connection: Connection, query: sql.Composable, filters: Filter) -> int:
    cursor = await connection.execute(sql.Composed([query]), condition_values(filters))
    row = await cursor.fetchone()
    return row[0] if row else 0


async def timings(connection: Connection) -> list[Timing]:
    """The distinct kinds, intervals and timeouts of the listed websites."""
    query = f"""
        SELECT w.options->>'kind', w.check_frequency, {REQUEST_TIMEOUT}, count(*)
          FROM bulk_change b JOIN websites w USING (id) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """  # noqa: S608 - constants
    cursor = await connection.execute(query.encode())
    return [Timing(*row) for row in await cursor.fetchall()]


async def names(connection: Connection) -> AsyncIterator[list[tuple[UUID, str, str]]]:
    """(id, URL, name) of the listed websites, in pages."""
    async with connection.cursor("names") as cursor:
        await cursor.execute("SELECT id, w.url, w.name FROM bulk_change JOIN websites w USING (id)")
        while rows := await cursor.fetchmany(_PAGE):
            yield [(i, url, name) for i, url, name in rows]


async def set_names(connection: Connection, names: Sequence[tuple[UUID, str, str]]) -> None:
    """Set the new names of listed websites, given as (id, new URL, new name)."""
    await connection.execute(
        """
        UPDATE bulk_change b SET name = n.name, search_text = n.search_text
          FROM unnest(%s::uuid[], %s::text[], %s::text[]) n (id, name, search_text)
         WHERE b.id = n.id
        """,
        [
            [website_id for website_id, _, _ in names],
            [name for _, _, name in names],
            [search_text(url, name) for _, url, name in names],
        ],
    )


async def with_secrets(connection: Connection) -> AsyncIterator[list[Secrets]]:
    """The listed websites with secrets, in pages."""
    query = f"""
        SELECT id, {CHECK_JSON}, w.encrypted::text FROM bulk_change JOIN websites w USING (id)
         WHERE w.has_secrets
    """  # noqa: S608 - constants
    async with connection.cursor("secrets") as cursor:
        await cursor.execute(query.encode())
        while rows := await cursor.fetchmany(_SECRETS_PAGE):
            yield [Secrets(i, decode_check(text), decode_tokens(e)) for i, text, e in rows]


async def mark_changed(
    connection: Connection, sent: Values, encrypted: dict[str, str], *, secrets_resent: bool
) -> int:
    """Compute what the fields change in each listed website, and remove unchanged ones from the
    list; returns how many are left.

    ``sent`` has masks for ``encrypted`` fields. ``secrets_resent``: secrets were sent, so that the
    checks of all listed websites count as changed.
    """
    query = sql.SQL(
        """
        UPDATE bulk_change b
           SET name = coalesce(b.name, {name}), check_differs = {check},
               region_differs = {regions}, region_lost = {lost},
               was_paused = w.paused_at IS NOT NULL, paused = {paused}
          FROM websites w WHERE w.id = b.id
        """
    ).format(
        name=_sent(sent, "name", "w.name"),
        check=_any(
            [
                sql.Literal(secrets_resent),
                *_columns_differ(sent, OPTION_COLUMNS),
                *_options_differ(sent),
            ]
        ),
        regions=_regions_differ(sent),
        lost=_region_lost(sent),
        paused=_sent(sent, "paused", "w.paused_at IS NOT NULL"),
    )
    await connection.execute(query, _values(sent, encrypted))
    unchanged = sql.SQL(
        """
        DELETE FROM bulk_change b USING websites w
         WHERE w.id = b.id AND NOT (b.check_differs OR b.region_differs OR b.name <> w.name
                                    OR b.was_paused <> b.paused OR {emails})
        """
    ).format(emails=_any(_columns_differ(sent, ["alert_emails"])))
    await connection.execute(unchanged, _values(sent, encrypted))
    cursor = await connection.execute("SELECT count(*) FROM bulk_change")
    row = await cursor.fetchone()
    return row[0] if row else 0


def _sent(sent: Values, name: str, otherwise: str) -> sql.Composable:
    """The field if it was sent and is not null, else an expression over ``websites w``."""
    return sql.SQL(otherwise) if sent.get(name) is None else sql.Placeholder(name)


def _columns_differ(sent: Values, names: Sequence[str]) -> list[sql.Composable]:
    return [
        sql.SQL("w.{} <> {}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in names
        if name in sent
    ]


_NEW_OPTIONS = sql.SQL("((w.options - %(option_names)s::text[]) || %(options)s::jsonb)")
"""The options after the change, without default values."""

_NEW_TOKENS = sql.SQL(
    "nullif((coalesce(w.encrypted, '{}') - %(option_names)s::text[]) || %(tokens)s::jsonb, '{}')"
)


def _options_differ(sent: Values) -> list[sql.Composable]:
    """Conditions for changed options; of secrets, for what is shown and whether it is encrypted."""
    if not _options_in(sent):
        return []
    secrets = [name for name in SECRETS if name in sent]
    encryption = [
        sql.SQL("(coalesce(w.encrypted, '{{}}') ? {0}) <> (%(tokens)s::jsonb ? {0})").format(
            sql.Literal(name)
        )
        for name in secrets
    ]
    differs = sql.SQL("w.options <> {}").format(_NEW_OPTIONS)
    return [differs, *encryption]


def _any(clauses: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(" OR ").join([*clauses, sql.SQL("false")]))


def _regions_differ(sent: Values) -> sql.Composable:
    if "regions" not in sent:
        return sql.SQL("false")
    if sent["regions"] is None:
        return sql.SQL("NOT w.all_regions")
    return sql.SQL(
        """
        (w.all_regions OR ARRAY(SELECT r.region FROM website_regions r WHERE r.website_id = w.id
                                ORDER BY r.region COLLATE "C") <> %(regions)s)
        """
    )


def _region_lost(sent: Values) -> sql.Composable:
    """Whether the website loses a region."""
    if sent.get("regions") is None:
        return sql.SQL("false")
    return sql.SQL(
        """
        (w.all_regions OR EXISTS (SELECT 1 FROM website_regions r WHERE r.website_id = w.id
                                     AND r.region <> ALL (%(regions)s)))
        """
    )


def _options_in(sent: Values) -> dict[str, Any]:
    """The options that were sent, except those with their own column."""
    return {n: v for n, v in sent.items() if n in OPTION_FIELDS and n not in OPTION_COLUMNS}


def _values(sent: Values, encrypted: dict[str, str]) -> dict[str, Any]:
    """The query parameters for the fields that were sent."""
    options = _options_in(sent)
    values = {n: list(v) if isinstance(v, tuple) else v for n, v in sent.items()}
    return values | {
        "option_names": list(options),
        "options": to_json(without_defaults(options)),
        "tokens": to_json(encrypted),
        "secrets": list(SECRETS),
    }


async def apply(connection: Connection, sent: Values, encrypted: dict[str, str]) -> None:
    """Apply the fields to the listed websites, and add their change rows."""
    await _update(connection, sent, encrypted)
    if sent.get("paused"):
        pausing = sql.SQL("SELECT id FROM bulk_change WHERE paused AND NOT was_paused")
        await closings.end_paused(connection, pausing)
    if "regions" in sent:
        await _replace_regions(connection, sent["regions"])
    if {"check_frequency", "paused", "regions"} & sent.keys():
        await schedules.record(connection, sql.SQL("SELECT id FROM bulk_change"))
        await standings.refresh(connection, sql.SQL("SELECT id FROM bulk_change"))
    await connection.execute(
        """
        INSERT INTO changes (website_id, check_now, forget)
        SELECT id, (check_differs OR region_differs OR was_paused) AND NOT paused,
               (paused AND NOT was_paused) OR region_lost
          FROM bulk_change ORDER BY id
        """
    )


async def _update(connection: Connection, sent: Values, encrypted: dict[str, str]) -> None:
    sets: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in (*OPTION_COLUMNS, "alert_emails")
        if name in sent
    ]
    if _options_in(sent):
        sets += [
            sql.SQL("options = {}").format(_NEW_OPTIONS),
            sql.SQL("encrypted = {}").format(_NEW_TOKENS),
            sql.SQL("has_secrets = {} ?| %(secrets)s::text[]").format(_NEW_OPTIONS),
        ]
    if renames(sent):
        sets.append(sql.SQL("search_text = b.search_text"))
    if "regions" in sent:
        sets.append(sql.SQL("all_regions = {}").format(sql.Literal(sent["regions"] is None)))
    query = sql.SQL(
        """
        UPDATE websites w
           SET {} paused_at = CASE WHEN b.paused THEN coalesce(w.paused_at, now()) END,
               name = b.name, updated_at = now()
          FROM bulk_change b WHERE b.id = w.id
        """
    ).format(sql.SQL("").join([part + sql.SQL(", ") for part in sets]))
    await connection.execute(query, _values(sent, encrypted))


async def _replace_regions(connection: Connection, regions: Sequence[str] | None) -> None:
    """Replace the regions of websites where they change; delete verdicts of lost regions, and close
    incidents that only those held."""
    moved = "website_id IN (SELECT id FROM bulk_change WHERE region_differs)"
    await connection.execute(f"DELETE FROM website_regions WHERE {moved}".encode())  # noqa: S608 - constants
    if regions is None:
        return
    await connection.execute(
        """
        INSERT INTO website_regions (website_id, region)
        SELECT id, unnest(%s::text[]) FROM bulk_change WHERE region_differs
        """,
        [list(regions)],
    )
    lost = sql.SQL(f"v.region <> ALL(%(regions)s) AND v.{moved}")
    unheld = await closings.take_verdicts(connection, lost, {"regions": list(regions)})
    await closings.end_unheld(connection, unheld)


async def delete(connection: Connection) -> None:
    """Delete the listed websites and all their data in Postgres but what is still to be sent."""
    await closings.end_deleted(connection, sql.SQL("SELECT id FROM bulk_change"))
    await connection.execute("DELETE FROM websites w USING bulk_change b WHERE w.id = b.id")
    await connection.execute(
        "INSERT INTO changes (website_id) SELECT id FROM bulk_change ORDER BY id"
    )
