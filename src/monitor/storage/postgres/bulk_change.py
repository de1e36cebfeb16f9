"""Every website that matches, changed by sets: a statement a table, however many they are.

They are listed in a table ``bulk_change`` that lives as long as the transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from msgspec import UNSET
from psycopg import sql
from psycopg.types.json import Jsonb

from monitor.domain.errors import InvalidInput
from monitor.domain.website import CheckOptions, Sealed
from monitor.resources.bulk_change import Timing
from monitor.resources.validation import WebsiteFields
from monitor.storage.postgres.bulk_change_secrets import SEALED, secrets_differ
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.websites import Filter, conditions

_PAGE = 5000


_TABLE = """
    CREATE TEMPORARY TABLE bulk_change (
        id             uuid NOT NULL,
        name           text,
        secrets_differ boolean NOT NULL DEFAULT false,
        check_differs  boolean,
        region_differs boolean,
        region_lost    boolean,
        was_paused     boolean,
        paused         boolean
    ) ON COMMIT DROP
"""


async def begin(connection: Connection) -> None:
    """Time for many rows, and no region is removed until the transaction ends: what websites are
    checked from would change although they are held."""
    await connection.execute("SET LOCAL statement_timeout = '5min'")
    await connection.execute("SELECT 1 FROM regions ORDER BY name FOR KEY SHARE")


async def count(connection: Connection, wanted: Filter) -> int:
    """How many websites match at the moment."""
    query = sql.SQL("SELECT count(*) FROM websites w") + _where(wanted)
    return await _number(connection, query, wanted)


async def lock(connection: Connection, wanted: Filter, *, deleting: bool) -> int:
    """Hold the websites that match, in order of their ids, and list them; returns how many.

    One that another transaction was changing is waited for. Its regions are then still seen as
    before, so what was listed is compared once more, by a statement that sees them as they are.
    """
    await connection.execute(_TABLE)
    strength = sql.SQL(" FOR UPDATE" if deleting else " FOR NO KEY UPDATE")
    listing = sql.SQL("INSERT INTO bulk_change (id) SELECT w.id FROM websites w") + _where(wanted)
    await connection.execute(listing + sql.SQL(" ORDER BY w.id") + strength, _values(wanted))
    await connection.execute("ANALYZE bulk_change")
    again = sql.SQL(
        "DELETE FROM bulk_change b WHERE NOT EXISTS (SELECT 1 FROM websites w{})"
    ).format(_where(wanted, sql.SQL("w.id = b.id")))
    await connection.execute(again, _values(wanted))
    return await _number(connection, sql.SQL("SELECT count(*) FROM bulk_change"), wanted)


def _where(wanted: Filter, *more: sql.Composable) -> sql.Composable:
    found = [*more, *conditions(wanted)]
    return sql.SQL(" WHERE ") + sql.SQL(" AND ").join(found) if found else sql.SQL("")


def _values(wanted: Filter) -> dict[str, Any]:
    return {"region": wanted.region, "q": wanted.q}


async def _number(connection: Connection, query: sql.Composable, wanted: Filter) -> int:
    cursor = await connection.execute(sql.Composed([query]), _values(wanted))
    row = await cursor.fetchone()
    return row[0] if row else 0


async def timings(connection: Connection) -> list[Timing]:
    """The intervals and time-outs of the listed websites, each pair once."""
    cursor = await connection.execute(
        """
        SELECT w.check_frequency, w.request_timeout, count(*)
          FROM bulk_change b JOIN websites w USING (id) GROUP BY 1, 2 ORDER BY 1, 2
        """
    )
    return [Timing(*row) for row in await cursor.fetchall()]


async def check_regions(connection: Connection, names: Sequence[str]) -> None:
    """Raises InvalidInput naming a region that is not there."""
    cursor = await connection.execute(
        "SELECT name FROM regions WHERE name = ANY(%s)", [list(names)]
    )
    missing = sorted(set(names) - {name for (name,) in await cursor.fetchall()})
    if missing:
        raise InvalidInput.of("regions", f"must name regions that exist, not {missing[0]}")


async def names(connection: Connection) -> AsyncIterator[list[tuple[UUID, str, str]]]:
    """(id, URL, name) of the listed websites, in pages."""
    async with connection.cursor("names") as cursor:
        await cursor.execute("SELECT id, w.url, w.name FROM bulk_change JOIN websites w USING (id)")
        while rows := await cursor.fetchmany(_PAGE):
            yield [(i, url, name) for i, url, name in rows]


async def give_names(connection: Connection, given: Sequence[tuple[UUID, str]]) -> None:
    """Note the names that listed websites are to get."""
    await connection.execute(
        """
        UPDATE bulk_change b SET name = n.name FROM unnest(%s::uuid[], %s::text[]) n (id, name)
         WHERE b.id = n.id
        """,
        [[i for i, _ in given], [name for _, name in given]],
    )


async def mark_changed(connection: Connection, fields: WebsiteFields, sealed: Sealed) -> int:
    """Work out what the fields change of each listed website, and take those off the list that
    are so already; returns how many are left.

    What is ``sealed`` is masked in the fields; which websites seal something else was noted.
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
        name=_sent(fields, "name", "w.name"),
        check=_any([*_differs(fields, CheckOptions.__struct_fields__), *secrets_differ(fields)]),
        regions=_regions_differ(fields),
        lost=_region_lost(fields),
        paused=_sent(fields, "paused", "w.paused_at IS NOT NULL"),
    )
    await connection.execute(query, _fields(fields, sealed))
    unchanged = sql.SQL(
        """
        DELETE FROM bulk_change b USING websites w
         WHERE w.id = b.id AND NOT (b.check_differs OR b.region_differs OR b.name <> w.name
                                    OR b.was_paused <> b.paused OR {emails})
        """
    ).format(emails=_any(_differs(fields, ["alert_emails"])))
    await connection.execute(unchanged, _fields(fields, sealed))
    cursor = await connection.execute("SELECT count(*) FROM bulk_change")
    row = await cursor.fetchone()
    return row[0] if row else 0


def _sent(fields: WebsiteFields, name: str, otherwise: str) -> sql.Composable:
    """The field where it was sent and is not null, else an expression of ``websites w``."""
    value = getattr(fields, name)
    return sql.SQL(otherwise) if value is UNSET or value is None else sql.Placeholder(name)


def _differs(fields: WebsiteFields, names: Sequence[str]) -> list[sql.Composable]:
    return [
        sql.SQL("w.{} <> {}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in names
        if getattr(fields, name) is not UNSET
    ]


def _any(conditions: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(" OR ").join([*conditions, sql.SQL("false")]))


def _regions_differ(fields: WebsiteFields) -> sql.Composable:
    if fields.regions is UNSET:
        return sql.SQL("false")
    if fields.regions is None:
        return sql.SQL("NOT w.all_regions")
    return sql.SQL(
        """
        (w.all_regions OR ARRAY(SELECT r.region FROM website_regions r WHERE r.website_id = w.id
                                ORDER BY r.region COLLATE "C") <> %(regions)s)
        """
    )


def _region_lost(fields: WebsiteFields) -> sql.Composable:
    """Whether some region may no longer check it."""
    if not isinstance(fields.regions, tuple):
        return sql.SQL("false")
    return sql.SQL(
        """
        (w.all_regions OR EXISTS (SELECT 1 FROM website_regions r WHERE r.website_id = w.id
                                     AND r.region <> ALL (%(regions)s)))
        """
    )


def _fields(fields: WebsiteFields, sealed: Sealed) -> dict[str, Any]:
    """What was sent, as Postgres takes it."""
    found = {n: v for n in fields.__struct_fields__ if (v := getattr(fields, n)) is not UNSET}
    for name in ("request_headers", "expected_status_codes"):
        if name in found:
            found[name] = Jsonb(found[name])
    for name in ("regions", "alert_emails"):
        if found.get(name) is not None:
            found[name] = list(found[name])
    return found | {"sealed_headers": sealed.headers or None, "sealed_body": sealed.body or None}


async def apply(connection: Connection, fields: WebsiteFields, sealed: Sealed) -> None:
    """Make the listed websites what the fields say, with the change rows that Redis follows."""
    await _update(connection, fields, sealed)
    if fields.regions is not UNSET:
        await _move(connection, fields.regions)
    if fields.paused is True:
        await _settle_pauses(connection)
    await connection.execute(
        """
        INSERT INTO changes (website_id, check_now, forget)
        SELECT id, (check_differs OR region_differs OR was_paused) AND NOT paused,
               (paused AND NOT was_paused) OR region_lost
          FROM bulk_change ORDER BY id
        """
    )


async def _update(connection: Connection, fields: WebsiteFields, sealed: Sealed) -> None:
    columns = [*CheckOptions.__struct_fields__, "alert_emails"]
    sets: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in columns
        if getattr(fields, name) is not UNSET
    ]
    sets += [
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column))
        for name, column in SEALED.items()
        if getattr(fields, name) is not UNSET
    ]
    if fields.regions is not UNSET:
        sets.append(sql.SQL("all_regions = {}").format(sql.Literal(fields.regions is None)))
    query = sql.SQL(
        """
        UPDATE websites w
           SET {} paused_at = CASE WHEN b.paused THEN coalesce(w.paused_at, now()) END,
               name = b.name, updated_at = now()
          FROM bulk_change b WHERE b.id = w.id
        """
    ).format(sql.SQL("").join([part + sql.SQL(", ") for part in sets]))
    await connection.execute(query, _fields(fields, sealed))


async def _move(connection: Connection, regions: Sequence[str] | None) -> None:
    """Give the websites whose regions change the new ones; what lost regions held is forgotten."""
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
    query = f"DELETE FROM verdicts WHERE region <> ALL(%s) AND {moved}"  # noqa: S608 - constants
    await connection.execute(query.encode(), [list(regions)])


async def _settle_pauses(connection: Connection) -> None:
    """What pausing does to a past: incidents end, verdicts are forgotten."""
    paused = "website_id IN (SELECT id FROM bulk_change WHERE paused AND NOT was_paused)"
    await connection.execute(f"DELETE FROM verdicts WHERE {paused}".encode())  # noqa: S608 - constants
    await connection.execute(
        f"""
        UPDATE incidents SET resolved_at = greatest(now(), started_at), resolution = 'paused'
         WHERE resolved_at IS NULL AND {paused}
        """.encode()  # noqa: S608 - constants
    )


async def delete(connection: Connection) -> None:
    """Remove the listed websites and all that Postgres holds of them."""
    await connection.execute("DELETE FROM websites w USING bulk_change b WHERE w.id = b.id")
    await connection.execute(
        "INSERT INTO changes (website_id) SELECT id FROM bulk_change ORDER BY id"
    )
