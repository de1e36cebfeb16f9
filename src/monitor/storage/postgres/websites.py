"""The table of websites: queries, and the single write path for one website or many.

Every write adds change rows, which the sync to Redis reads.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from monitor.domain.errors import MonitorError
from monitor.resources.search import fold, search_text
from monitor.resources.website import Draft, Website
from monitor.resources.website_list import Sort
from monitor.resources.write_plan import ChangedWebsite, Existing, NewWebsite, Plan
from monitor.storage.postgres import closings, schedules, standings, website_order
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.search import MATCHES
from monitor.storage.postgres.website_order import Position
from monitor.storage.postgres.website_rows import (
    CHECK_JSON,
    DRAFT_COLUMNS,
    decode_check,
    decode_tokens,
    existing_of,
    has_secrets,
    options_json,
    to_json,
    tokens_json,
)


class ConcurrentUpdate(MonitorError):
    """A website was changed by another transaction after it was planned: plan again."""


class Stored(Struct, frozen=True):
    """A website with its region names, the start of its open incident, and the end of its latest
    incident, which is None while that is open. ``position``: where it stands in its list."""

    website: Website
    regions: tuple[str, ...]
    incident_started_at: dt.datetime | None
    last_resolved_at: dt.datetime | None
    position: Position | None = None


class Filter(Struct, frozen=True):
    """Which websites to list; None: any value. ``q``: a part of the URL or the name."""

    region: str | None = None
    paused: bool | None = None
    incident_open: bool | None = None
    q: str | None = None


_COLUMNS: LiteralString = f"""
    SELECT w.id, w.name, w.paused_at, w.alert_emails, w.external_id, w.created_at, w.updated_at,
           w.all_regions, {CHECK_JSON} AS check, w.encrypted::text AS encrypted,
           CASE WHEN w.all_regions THEN ARRAY(SELECT name FROM regions ORDER BY name)
                ELSE ARRAY(SELECT r.region FROM website_regions r WHERE r.website_id = w.id
                           ORDER BY r.region) END AS region_names,
           i.started_at AS incident_started_at, latest.resolved_at AS last_resolved_at
"""  # noqa: S608 - constants

_INCIDENTS: LiteralString = """
      LEFT JOIN incidents i ON i.website_id = w.id AND i.resolved_at IS NULL
      LEFT JOIN LATERAL (SELECT resolved_at FROM incidents WHERE website_id = w.id
                          ORDER BY started_at DESC, id DESC LIMIT 1) latest ON true
"""

_SELECT: LiteralString = f"{_COLUMNS} FROM websites w {_INCIDENTS}"


async def fetch(connection: Connection, website_id: UUID) -> Stored | None:
    """One website, or None."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql.SQL(_SELECT) + sql.SQL("WHERE w.id = %s"), [website_id])
        row = await cursor.fetchone()
    return None if row is None else _stored(row)


async def fetch_page(
    connection: Connection, filters: Filter, sort: Sort | None, after: Position | None, size: int
) -> list[Stored]:
    """The next ``size`` websites in this order; None: in id order, which is that of creation."""
    clauses = [*conditions(filters), *([website_order.after(sort)] if after else [])]
    where = sql.SQL(" WHERE ") + sql.SQL(" AND ").join(clauses) if clauses else sql.SQL("")
    query = (
        sql.SQL(_COLUMNS + ", ") + website_order.key(sort) + sql.SQL(" AS sort_key FROM websites w")
        + website_order.join(sort) + sql.SQL(_INCIDENTS) + where + website_order.order_by(sort)
        + sql.SQL("LIMIT %(size)s")
    )  # fmt: skip
    values = condition_values(filters) | {"size": size}
    if after is not None:
        values |= {"key": after.key, "after": after.website_id}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        rows = await cursor.fetchall()
    return [_stored(row, Position(row["sort_key"], row["id"])) for row in rows]


def conditions(filters: Filter) -> list[sql.SQL]:
    """The conditions of a filter on ``websites w`` and its open incident ``i``."""
    clauses: list[sql.SQL] = []
    if filters.region is not None:
        clauses.append(
            sql.SQL(
                "(w.all_regions OR EXISTS (SELECT 1 FROM website_regions x"
                " WHERE x.website_id = w.id AND x.region = %(region)s))"
            )
        )
    if filters.paused is not None:
        clauses.append(sql.SQL(f"w.paused_at IS {'NOT ' if filters.paused else ''}NULL"))
    if filters.incident_open:
        clauses.append(sql.SQL("i.id IS NOT NULL"))
    if filters.q is not None:
        clauses.append(sql.SQL(MATCHES))
    return clauses


def condition_values(filters: Filter) -> dict[str, Any]:
    """The query parameters of ``conditions``."""
    return {"region": filters.region, "q": None if filters.q is None else fold(filters.q)}


def _stored(row: DictRow, position: Position | None = None) -> Stored:
    regions = tuple(row["region_names"])
    own = ("id", "name", "paused_at", "external_id", "created_at", "updated_at")
    website = Website(
        check=decode_check(row["check"]),
        regions=None if row["all_regions"] else regions,
        alert_emails=tuple(row["alert_emails"]),
        encrypted=decode_tokens(row["encrypted"]),
        **{name: row[name] for name in own},
    )
    return Stored(website, regions, row["incident_started_at"], row["last_resolved_at"], position)


async def existing(
    connection: Connection, ids: Sequence[UUID], external_ids: Sequence[str]
) -> list[Existing]:
    """The websites with any of these ids or external ids."""
    rows: dict[UUID, Existing] = {}
    for column, values in (("id", ids), ("external_id", external_ids)):
        if values:
            query = f"SELECT {DRAFT_COLUMNS} FROM websites w WHERE w.{column} = ANY(%s)"  # noqa: S608 - constants
            # Not prepared: a plan made for an empty table would scan a large one sequentially.
            cursor = await connection.execute(query.encode(), [values], prepare=False)
            rows |= {row[0]: existing_of(row) for row in await cursor.fetchall()}
    return list(rows.values())


async def lock(connection: Connection, website_id: UUID) -> bool:
    """Lock a website until the transaction ends; False if it does not exist."""
    cursor = await connection.execute(
        "SELECT 1 FROM websites WHERE id = %s FOR NO KEY UPDATE", [website_id]
    )
    return await cursor.fetchone() is not None


async def store(
    connection: Connection, plan: Plan, *, check_now: bool, operation: UUID | None = None
) -> None:
    """Write a plan and its change rows. Raises ConcurrentUpdate.

    ``check_now``: websites with new or changed checks are checked at once, not at their slot.
    ``operation``: what this is one of several plans of; see ``closings``.
    """
    try:
        if plan.changed:
            await _update(connection, plan.changed, operation)
        if plan.new:
            await _insert(connection, plan.new)
    except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected) as error:
        raise ConcurrentUpdate(type(error).__name__) from error
    notes = [(n.id, check_now and not n.draft.paused, n.id_given) for n in plan.new]
    notes += [(c.id, check_now and c.check_changed, c.forget) for c in plan.changed]
    if notes:
        await connection.execute(
            "INSERT INTO changes (website_id, check_now, forget)"
            " SELECT * FROM unnest(%s::uuid[], %s::bool[], %s::bool[])",
            [list(column) for column in zip(*notes, strict=True)],
        )


_IDS = sql.SQL("SELECT unnest(%(ids)s::uuid[])")

_COPY = """
    COPY websites (id, url, name, all_regions, check_frequency, options, encrypted, has_secrets,
                   alert_emails, external_id, paused_at, search_text)
    FROM STDIN
"""


async def _insert(connection: Connection, new: Sequence[NewWebsite]) -> None:
    """Insert in external_id order, so that two imports of the same websites do not deadlock."""
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for one in sorted(new, key=lambda n: n.draft.external_id or ""):
            await copy.write_row(_row(one.id, one.stored or one.draft))
    await _insert_regions(connection, [(n.id, n.draft.regions) for n in new])
    await schedules.begin(connection, _IDS, {"ids": [n.id for n in new]})
    await standings.begin(connection, _IDS, {"ids": [n.id for n in new]})


def _row(website_id: UUID, draft: Draft) -> tuple[Any, ...]:
    return (
        website_id.hex,
        draft.check.url,
        draft.name,
        draft.regions is None,
        draft.check.check_frequency,
        options_json(draft.check),
        tokens_json(draft.encrypted),
        has_secrets(draft.check),
        _array(draft.alert_emails),
        draft.external_id,
        "now" if draft.paused else None,
        search_text(draft.check.url, draft.name),
    )


def _array(emails: Sequence[str]) -> str:
    """A literal of type text[]; addresses contain neither quotes nor backslashes."""
    return "{" + ",".join(f'"{email}"' for email in emails) + "}"


async def _insert_regions(
    connection: Connection, regions: Sequence[tuple[UUID, Sequence[str] | None]]
) -> None:
    pairs = [(website_id, name) for website_id, names in regions for name in names or ()]
    if pairs:
        await connection.execute(
            "INSERT INTO website_regions (website_id, region)"
            " SELECT * FROM unnest(%s::uuid[], %s::text[])",
            [[p[0] for p in pairs], [p[1] for p in pairs]],
        )


_UPDATE = """
    UPDATE websites w
       SET url = u.url, name = u.name, all_regions = u.all_regions,
           check_frequency = u.check_frequency, options = u.options, encrypted = u.encrypted,
           has_secrets = u.has_secrets, alert_emails = u.alert_emails,
           external_id = u.external_id, search_text = u.search_text, updated_at = now(),
           paused_at = CASE WHEN u.paused THEN coalesce(w.paused_at, now()) END
      FROM json_to_recordset(%s::json) u (
           id uuid, url text, name text, all_regions boolean, check_frequency integer,
           options jsonb, encrypted jsonb, has_secrets boolean, alert_emails text[],
           external_id text, paused boolean, search_text text)
     WHERE w.id = u.id
"""


async def _update(
    connection: Connection, changed: Sequence[ChangedWebsite], operation: UUID | None
) -> None:
    await _lock_unchanged(connection, changed)
    renamed = [c.id for c in changed if c.renamed]
    if renamed:
        # Otherwise, passing an external_id from one website to another would violate uniqueness.
        await connection.execute(
            "UPDATE websites SET external_id = NULL WHERE id = ANY(%s)", [renamed]
        )
    await connection.execute(_UPDATE, [to_json([_record(c) for c in changed])])
    pausing = [c.id for c in changed if c.pausing]
    if pausing:
        await closings.end_paused(connection, _IDS, {"ids": pausing}, operation)
    await _replace_regions(connection, [c for c in changed if c.regions_changed], operation)
    rescheduled = [c.id for c in changed if c.rescheduled]
    if rescheduled:
        await schedules.record(connection, _IDS, {"ids": rescheduled})
        await standings.refresh(connection, _IDS, {"ids": rescheduled})


async def _lock_unchanged(connection: Connection, changed: Sequence[ChangedWebsite]) -> None:
    """Lock the websites in id order. Raises ConcurrentUpdate if one was changed since planning."""
    cursor = await connection.execute(
        """
        SELECT 1 FROM websites w JOIN unnest(%s::uuid[], %s::text[]) p (id, version)
            ON w.id = p.id AND w.xmin::text = p.version
         ORDER BY w.id FOR NO KEY UPDATE OF w
        """,
        [[c.id for c in changed], [c.version for c in changed]],
    )
    if len(await cursor.fetchall()) < len(changed):
        raise ConcurrentUpdate("a website was changed meanwhile")


def _record(changed: ChangedWebsite) -> dict[str, Any]:
    draft = changed.stored or changed.new
    return {
        "id": changed.id,
        "url": draft.check.url,
        "name": draft.name,
        "all_regions": draft.regions is None,
        "check_frequency": draft.check.check_frequency,
        "options": msgspec.Raw(options_json(draft.check).encode()),
        "encrypted": draft.encrypted or None,
        "has_secrets": has_secrets(draft.check),
        "alert_emails": draft.alert_emails,
        "external_id": draft.external_id,
        "paused": draft.paused,
        "search_text": search_text(draft.check.url, draft.name),
    }


_REGION_LOST = sql.SQL(
    """
    v.website_id = ANY(%(ids)s)
    AND NOT EXISTS (SELECT 1 FROM website_regions r
                     WHERE r.website_id = v.website_id AND r.region = v.region)
    """
)


async def _replace_regions(
    connection: Connection, moved: Sequence[ChangedWebsite], operation: UUID | None
) -> None:
    """Replace the regions of websites; delete verdicts of lost regions, and close incidents that
    only those held."""
    if not moved:
        return
    await connection.execute(
        "DELETE FROM website_regions WHERE website_id = ANY(%s)", [[c.id for c in moved]]
    )
    await _insert_regions(connection, [(c.id, c.new.regions) for c in moved])
    ids = [c.id for c in moved if c.new.regions is not None]
    unheld = await closings.take_verdicts(connection, _REGION_LOST, {"ids": ids})
    await closings.end_unheld(connection, unheld, operation)


async def delete(connection: Connection, website_id: UUID) -> bool:
    """Delete a website and all its data in Postgres but what is still to be sent; False if it does
    not exist."""
    await closings.end_deleted(connection, _IDS, {"ids": [website_id]})
    cursor = await connection.execute("DELETE FROM websites WHERE id = %s", [website_id])
    return cursor.rowcount == 1


async def note_change(connection: Connection, website_id: UUID | None) -> None:
    """Add a change row, which the sync reads once it is committed; None: all websites."""
    await connection.execute("INSERT INTO changes (website_id) VALUES (%s)", [website_id])
