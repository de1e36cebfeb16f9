"""Many websites at once: looked up, made and changed by sets, never by a statement each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import TupleRow

from monitor.domain.errors import MonitorError
from monitor.domain.website import CheckOptions, StatusRanges
from monitor.resources.bulk_plan import Changed, Known, Made, Plan
from monitor.resources.validation import Draft
from monitor.storage.postgres.pool import Connection
from monitor.storage.postgres.websites import sealed_of

_statuses = msgspec.json.Decoder(StatusRanges)
_headers = msgspec.json.Decoder(dict[str, str])
_json = msgspec.json.Encoder()


class Raced(MonitorError):
    """What the plan stands on was changed by somebody else meanwhile: plan again."""


DRAFT_COLUMNS: LiteralString = """
    w.id, w.xmin::text, w.name, w.url, w.check_frequency, w.request_timeout, w.http_method,
    w.request_headers::text, w.request_body, w.expected_status_codes::text, w.follow_redirects,
    w.verify_ssl, w.paused_at IS NOT NULL, w.alert_emails, w.external_id,
    CASE WHEN w.all_regions THEN NULL
         ELSE ARRAY(SELECT r.region FROM website_regions r WHERE r.website_id = w.id
                    ORDER BY r.region) END,
    w.sealed_headers, w.sealed_body
"""
"""What ``known_of`` reads, of ``websites w``."""


def known_of(row: TupleRow) -> Known:
    """A row of DRAFT_COLUMNS."""
    check = CheckOptions(
        row[3], row[4], row[5], row[6],
        _headers.decode(row[7]) if row[7] != "{}" else {},
        row[8], _statuses.decode(row[9]), row[10], row[11],
    )  # fmt: skip
    draft = Draft(
        name=row[2],
        check=check,
        regions=None if row[15] is None else tuple(row[15]),
        paused=row[12],
        alert_emails=tuple(row[13]),
        external_id=row[14],
        sealed=sealed_of(row[16], row[17]),
    )
    return Known(row[0], draft, row[1])


async def known(
    connection: Connection, ids: Sequence[UUID], external_ids: Sequence[str]
) -> list[Known]:
    """The websites with any of these ids or external ids."""
    found: dict[UUID, Known] = {}
    for column, values in (("id", ids), ("external_id", external_ids)):
        if values:
            query = f"SELECT {DRAFT_COLUMNS} FROM websites w WHERE w.{column} = ANY(%s)"  # noqa: S608 - constants
            # Not prepared: a plan made for an empty table would read a full one from end to end.
            cursor = await connection.execute(query.encode(), [values], prepare=False)
            found |= {row[0]: known_of(row) for row in await cursor.fetchall()}
    return list(found.values())


async def regions_that_exist(
    connection: Connection, names: Sequence[str]
) -> tuple[frozenset[str], bool]:
    """Which of these exist, held until the transaction ends; and whether any region does."""
    found: frozenset[str] = frozenset()
    if names:
        cursor = await connection.execute(
            "SELECT name FROM regions WHERE name = ANY(%s) ORDER BY name FOR KEY SHARE", [names]
        )
        found = frozenset(name for (name,) in await cursor.fetchall())
    cursor = await connection.execute("SELECT EXISTS (SELECT 1 FROM regions)")
    row = await cursor.fetchone()
    return found, bool(row and row[0])


async def store(connection: Connection, plan: Plan) -> None:
    """Write a plan, with the change rows that make Redis follow. Raises Raced.

    No website is to be checked at once: those of an import wait for their slot.
    """
    try:
        if plan.changed:
            await _update(connection, plan.changed)
        if plan.made:
            await _insert(connection, plan.made)
    except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected) as error:
        raise Raced(type(error).__name__) from error
    notes = [(m.id, m.id_given) for m in plan.made] + [(c.id, c.forget) for c in plan.changed]
    if notes:
        await connection.execute(
            "INSERT INTO changes (website_id, forget) SELECT * FROM unnest(%s::uuid[], %s::bool[])",
            [[n[0] for n in notes], [n[1] for n in notes]],
        )


_COPY = """
    COPY websites (id, url, name, all_regions, check_frequency, request_timeout, http_method,
                   request_headers, request_body, expected_status_codes, follow_redirects,
                   verify_ssl, alert_emails, external_id, paused_at, sealed_headers, sealed_body)
    FROM STDIN
"""


async def _insert(connection: Connection, made: Sequence[Made]) -> None:
    """By external_id, so that two imports of the same websites wait for each other in order."""
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for one in sorted(made, key=lambda m: m.draft.external_id or ""):
            await copy.write_row(_row(one.id, one.draft))
    await _insert_regions(connection, [(m.id, m.draft.regions) for m in made])


def _row(website_id: UUID, draft: Draft) -> tuple[Any, ...]:
    check = draft.check
    return (
        website_id.hex,
        check.url,
        draft.name,
        draft.regions is None,
        check.check_frequency,
        check.request_timeout,
        check.http_method,
        _text(check.request_headers) if check.request_headers else "{}",
        check.request_body,
        _text(check.expected_status_codes),
        check.follow_redirects,
        check.verify_ssl,
        _array(draft.alert_emails),
        draft.external_id,
        "now" if draft.paused else None,
        draft.sealed.headers or None,
        draft.sealed.body or None,
    )


def _text(value: object) -> str:
    return _json.encode(value).decode()


def _array(emails: Sequence[str]) -> str:
    """A text[]; addresses hold no quotes and no backslashes."""
    return "{" + ",".join(f'"{email}"' for email in emails) + "}"


async def _insert_regions(
    connection: Connection, wanted: Sequence[tuple[UUID, Sequence[str] | None]]
) -> None:
    pairs = [(website_id, name) for website_id, names in wanted for name in names or ()]
    if pairs:
        await connection.execute(
            "INSERT INTO website_regions (website_id, region)"
            " SELECT * FROM unnest(%s::uuid[], %s::text[])",
            [[p[0] for p in pairs], [p[1] for p in pairs]],
        )


_UPDATE = """
    UPDATE websites w
       SET url = u.url, name = u.name, all_regions = u.all_regions,
           check_frequency = u.check_frequency, request_timeout = u.request_timeout,
           http_method = u.http_method, request_headers = u.request_headers,
           request_body = u.request_body, expected_status_codes = u.expected_status_codes,
           follow_redirects = u.follow_redirects, verify_ssl = u.verify_ssl,
           alert_emails = u.alert_emails, external_id = u.external_id, updated_at = now(),
           sealed_headers = u.sealed_headers, sealed_body = u.sealed_body,
           paused_at = CASE WHEN u.paused THEN coalesce(w.paused_at, now()) END
      FROM json_to_recordset(%s::json) u (
           id uuid, url text, name text, all_regions boolean, check_frequency integer,
           request_timeout integer, http_method text, request_headers jsonb, request_body text,
           expected_status_codes jsonb, follow_redirects boolean, verify_ssl boolean,
           alert_emails text[], external_id text, paused boolean, sealed_headers text,
           sealed_body text)
     WHERE w.id = u.id
"""


async def _update(connection: Connection, changed: Sequence[Changed]) -> None:
    await _lock(connection, changed)
    renamed = [c.id for c in changed if c.renamed]
    if renamed:
        # One that gets the name another one had would else be in its way for a moment.
        await connection.execute(
            "UPDATE websites SET external_id = NULL WHERE id = ANY(%s)", [renamed]
        )
    await connection.execute(_UPDATE, [_text([_record(c) for c in changed])])
    await _move(connection, [c for c in changed if c.regions_changed])
    await _settle_pauses(connection, [c.id for c in changed if c.paused_now])


async def _lock(connection: Connection, changed: Sequence[Changed]) -> None:
    """Hold the websites, in order of their ids, if they are still as the plan found them."""
    cursor = await connection.execute(
        """
        SELECT 1 FROM websites w JOIN unnest(%s::uuid[], %s::text[]) p (id, version)
            ON w.id = p.id AND w.xmin::text = p.version
         ORDER BY w.id FOR NO KEY UPDATE OF w
        """,
        [[c.id for c in changed], [c.version for c in changed]],
    )
    if len(await cursor.fetchall()) < len(changed):
        raise Raced("a website was changed meanwhile")


def _record(changed: Changed) -> dict[str, Any]:
    new = changed.new
    return msgspec.structs.asdict(new.check) | {
        "id": changed.id,
        "name": new.name,
        "all_regions": new.regions is None,
        "alert_emails": new.alert_emails,
        "external_id": new.external_id,
        "paused": new.paused,
        "sealed_headers": new.sealed.headers or None,
        "sealed_body": new.sealed.body or None,
    }


async def _move(connection: Connection, moved: Sequence[Changed]) -> None:
    """Give websites their new regions, and forget what regions they lost held about them."""
    if not moved:
        return
    await connection.execute(
        "DELETE FROM website_regions WHERE website_id = ANY(%s)", [[c.id for c in moved]]
    )
    await _insert_regions(connection, [(c.id, c.new.regions) for c in moved])
    await connection.execute(
        """
        DELETE FROM verdicts v WHERE v.website_id = ANY(%s)
           AND NOT EXISTS (SELECT 1 FROM website_regions r
                            WHERE r.website_id = v.website_id AND r.region = v.region)
        """,
        [[c.id for c in moved if c.new.regions is not None]],
    )


async def _settle_pauses(connection: Connection, paused: Sequence[UUID]) -> None:
    """What pausing does to a past: incidents end, verdicts are forgotten."""
    if not paused:
        return
    await connection.execute("DELETE FROM verdicts WHERE website_id = ANY(%s)", [paused])
    await connection.execute(
        """
        UPDATE incidents SET resolved_at = greatest(now(), started_at), resolution = 'paused'
         WHERE website_id = ANY(%s) AND resolved_at IS NULL
        """,
        [paused],
    )
