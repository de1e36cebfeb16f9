"""Websites: rows as they are stored, and the change row that goes with every write."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from monitor.domain.errors import Conflict, InvalidInput
from monitor.domain.website import NOTHING_SEALED, CheckOptions, Sealed, StatusRanges, Website
from monitor.resources.validation import Draft
from monitor.storage.postgres.pool import Connection


class Stored(Struct, frozen=True):
    """A website with what belongs to it: its regions by name, when its open incident began, and
    when its latest one ended, None while that is open."""

    website: Website
    regions: tuple[str, ...]
    incident_started_at: dt.datetime | None
    last_resolved_at: dt.datetime | None


class Filter(Struct, frozen=True):
    """Which websites to list; None: whatever they have. ``q``: part of the URL or the name."""

    region: str | None = None
    paused: bool | None = None
    incident_open: bool | None = None
    q: str | None = None


_COLUMNS = (
    "url",
    "name",
    "all_regions",
    "check_frequency",
    "request_timeout",
    "http_method",
    "request_headers",
    "request_body",
    "expected_status_codes",
    "follow_redirects",
    "verify_ssl",
    "alert_emails",
    "external_id",
    "sealed_headers",
    "sealed_body",
)

_SELECT = sql.SQL(
    """
    SELECT w.id, w.url, w.name, w.check_frequency, w.request_timeout, w.http_method,
           w.request_headers, w.request_body, w.expected_status_codes, w.follow_redirects,
           w.verify_ssl, w.paused_at, w.alert_emails, w.external_id, w.created_at, w.updated_at,
           w.all_regions, w.sealed_headers, w.sealed_body,
           CASE WHEN w.all_regions THEN ARRAY(SELECT name FROM regions ORDER BY name)
                ELSE ARRAY(SELECT r.region FROM website_regions r WHERE r.website_id = w.id
                           ORDER BY r.region) END AS region_names,
           i.started_at AS incident_started_at, latest.resolved_at AS last_resolved_at
      FROM websites w
      LEFT JOIN incidents i ON i.website_id = w.id AND i.resolved_at IS NULL
      LEFT JOIN LATERAL (SELECT resolved_at FROM incidents WHERE website_id = w.id
                          ORDER BY started_at DESC, id DESC LIMIT 1) latest ON true
    """
)


async def fetch(connection: Connection, website_id: UUID) -> Stored | None:
    """One website, or None."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SELECT + sql.SQL("WHERE w.id = %s"), [website_id])
        row = await cursor.fetchone()
    return None if row is None else _stored(row)


async def fetch_page(
    connection: Connection, wanted: Filter, after: UUID | None, size: int
) -> list[Stored]:
    """The next ``size`` websites in the order of their ids, which is the order of creation."""
    found = [*conditions(wanted), *([sql.SQL("w.id > %(after)s")] if after else [])]
    where = sql.SQL("WHERE ") + sql.SQL(" AND ").join(found) if found else sql.SQL("")
    query = _SELECT + where + sql.SQL(" ORDER BY w.id LIMIT %(size)s")
    values = {"region": wanted.region, "q": wanted.q, "after": after, "size": size}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return [_stored(row) for row in await cursor.fetchall()]


def conditions(wanted: Filter) -> list[sql.SQL]:
    """What a filter asks of ``websites w`` and its open incident ``i``, with the filter's names."""
    found: list[sql.SQL] = []
    if wanted.region is not None:
        found.append(
            sql.SQL(
                "(w.all_regions OR EXISTS (SELECT 1 FROM website_regions x"
                " WHERE x.website_id = w.id AND x.region = %(region)s))"
            )
        )
    if wanted.paused is not None:
        found.append(sql.SQL(f"w.paused_at IS {'NOT ' if wanted.paused else ''}NULL"))
    if wanted.incident_open:
        found.append(sql.SQL("i.id IS NOT NULL"))
    if wanted.q is not None:
        found.append(
            sql.SQL(
                "(strpos(lower(w.url), lower(%(q)s)) > 0"
                " OR strpos(lower(w.name), lower(%(q)s)) > 0)"
            )
        )
    return found


def _stored(row: DictRow) -> Stored:
    statuses = msgspec.convert(row["expected_status_codes"], StatusRanges)
    row |= {"expected_status_codes": statuses, "alert_emails": tuple(row["alert_emails"])}
    regions = tuple(row["region_names"])
    check = CheckOptions(**{name: row[name] for name in CheckOptions.__struct_fields__})
    own = ("id", "name", "paused_at", "alert_emails", "external_id", "created_at", "updated_at")
    website = Website(
        check=check,
        regions=None if row["all_regions"] else regions,
        sealed=sealed_of(row["sealed_headers"], row["sealed_body"]),
        **{name: row[name] for name in own},
    )
    return Stored(website, regions, row["incident_started_at"], row["last_resolved_at"])


def sealed_of(headers: str | None, body: str | None) -> Sealed:
    """What two columns hold."""
    if headers is None and body is None:
        return NOTHING_SEALED
    return Sealed(headers or "", body or "")


async def lock(connection: Connection, website_id: UUID) -> Stored | None:
    """The website, unchangeable by others until the transaction ends; None where it is gone."""
    await connection.execute("SELECT 1 FROM websites WHERE id = %s FOR NO KEY UPDATE", [website_id])
    return await fetch(connection, website_id)


async def insert(connection: Connection, website_id: UUID, draft: Draft) -> None:
    """Store a new website. Raises Conflict for a taken external_id, InvalidInput for a region
    that is not there."""
    names = [*_COLUMNS, "paused_at"]
    query = sql.SQL("INSERT INTO websites (id, {}) VALUES (%(id)s, {}, {})").format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(map(sql.Placeholder, _COLUMNS)),
        sql.SQL("CASE WHEN %(paused)s THEN now() END"),
    )
    await _write(connection, query, _values(website_id, draft))
    await set_regions(connection, website_id, draft.regions)


async def update(connection: Connection, website_id: UUID, draft: Draft) -> None:
    """Make a stored website what the draft says; errors as for ``insert``."""
    query = sql.SQL(
        "UPDATE websites SET ({}) = ROW({}), updated_at = now(),"
        " paused_at = CASE WHEN %(paused)s THEN coalesce(paused_at, now()) END"
        " WHERE id = %(id)s"
    ).format(
        sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
        sql.SQL(", ").join(map(sql.Placeholder, _COLUMNS)),
    )
    await _write(connection, query, _values(website_id, draft))


def _values(website_id: UUID, draft: Draft) -> dict[str, Any]:
    return msgspec.structs.asdict(draft.check) | {
        "id": website_id,
        "name": draft.name,
        "all_regions": draft.regions is None,
        "request_headers": Jsonb(draft.check.request_headers),
        "expected_status_codes": Jsonb(draft.check.expected_status_codes),
        "paused": draft.paused,
        "alert_emails": list(draft.alert_emails),
        "external_id": draft.external_id,
        "sealed_headers": draft.sealed.headers or None,
        "sealed_body": draft.sealed.body or None,
    }


async def _write(connection: Connection, query: sql.Composed, values: dict[str, Any]) -> None:
    try:
        await connection.execute(query, values)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "websites_external_id_key":
            raise
        raise Conflict(
            "external_id_taken", "Another website has this external_id.", "external_id"
        ) from error


async def set_regions(
    connection: Connection, website_id: UUID, regions: Sequence[str] | None
) -> None:
    """Check the website from these regions alone, or from all (None).

    Raises InvalidInput naming those that are not there.
    """
    await connection.execute("DELETE FROM website_regions WHERE website_id = %s", [website_id])
    if regions is None:
        return
    # Share locks: a region that is about to be deleted is waited for, and then missing.
    cursor = await connection.execute(
        "SELECT name FROM regions WHERE name = ANY(%s) ORDER BY name FOR KEY SHARE",
        [list(regions)],
    )
    missing = set(regions) - {name for (name,) in await cursor.fetchall()}
    if missing:
        raise InvalidInput.of("regions", f"must name regions that exist, not {sorted(missing)[0]}")
    await connection.execute(
        "INSERT INTO website_regions (website_id, region) SELECT %s, unnest(%s::text[])",
        [website_id, list(regions)],
    )


async def delete(connection: Connection, website_id: UUID) -> bool:
    """Remove a website and all that Postgres holds of it; False where there was none."""
    cursor = await connection.execute("DELETE FROM websites WHERE id = %s", [website_id])
    return cursor.rowcount == 1


async def settle_pause(connection: Connection, website_id: UUID) -> None:
    """What pausing does to a website's past: its incident ends, its verdicts are forgotten."""
    await connection.execute("DELETE FROM verdicts WHERE website_id = %s", [website_id])
    await connection.execute(
        """
        UPDATE incidents SET resolved_at = greatest(now(), started_at), resolution = 'paused'
         WHERE website_id = %s AND resolved_at IS NULL
        """,
        [website_id],
    )


async def forget_verdicts(connection: Connection, website_id: UUID, kept: Sequence[str]) -> None:
    """Forget what regions other than the ``kept`` ones held."""
    await connection.execute(
        "DELETE FROM verdicts WHERE website_id = %s AND region <> ALL(%s)",
        [website_id, list(kept)],
    )


async def note_change(
    connection: Connection,
    website_id: UUID | None,
    *,
    check_now: bool = False,
    forget: bool = False,
) -> None:
    """The row that makes Redis follow once this transaction is committed; None: everything.

    ``forget`` belongs to every change that deletes verdicts: regions then start anew with the
    website, even if what they are to check is in the end what it was.
    """
    await connection.execute(
        "INSERT INTO changes (website_id, check_now, forget) VALUES (%s, %s, %s)",
        [website_id, check_now, forget],
    )
