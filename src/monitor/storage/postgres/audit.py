"""The table of the audit log."""

from __future__ import annotations

from typing import Any

import msgspec
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from monitor.resources.audit import Action, Actor, AuditFilter, Change, Entry
from monitor.storage.postgres.pool import Connection

_CONDITIONS = {
    "key": "key_id = %(key)s",
    "user": "user_id = %(user)s",
    "action": "action = %(action)s",
    "object": "object_id = %(object)s",
    "since": "at >= %(since)s",
    "until": "at < %(until)s",
}


async def insert(
    connection: Connection,
    actor: Actor,
    action: Action,
    object_id: str | None,
    *,
    changes: dict[str, Change],
    details: dict[str, Any],
) -> None:
    """Add an entry; call it in the transaction of the change."""
    await connection.execute(
        """
        INSERT INTO audit_log (key_id, user_id, actor, address, action, object_id, changes, details)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            actor.key_id,
            actor.user_id,
            actor.name,
            actor.address,
            action.value,
            object_id,
            Jsonb(msgspec.to_builtins(changes)),
            Jsonb(msgspec.to_builtins(details)),
        ],
    )


async def fetch_page(
    connection: Connection, filters: AuditFilter, before: int | None, size: int
) -> list[Entry]:
    """The next entries, newest first, with a sequence number below ``before``."""
    values = msgspec.structs.asdict(filters) | {"before": before, "size": size}
    clauses = [c for name, c in _CONDITIONS.items() if values[name] is not None]
    clauses += ["seq < %(before)s"] if before is not None else []
    where = "WHERE " + " AND ".join(clauses) if clauses else ""
    query = f"""
        SELECT seq, at, actor, key_id, address, user_id, action, object_id, changes, details
          FROM audit_log {where} ORDER BY seq DESC LIMIT %(size)s
    """  # noqa: S608 - constants of this module
    cursor = await connection.execute(query.encode(), values)
    return [_entry(row) for row in await cursor.fetchall()]


def _entry(row: TupleRow) -> Entry:
    return Entry(
        id=row[0],
        at=row[1],
        actor=Actor(row[2], row[3], row[4], row[5]),
        action=Action(row[6]),
        object_id=row[7],
        changes=msgspec.convert(row[8], dict[str, Change]),
        details=row[9],
    )


async def expire(connection: Connection, keep_days: int, most: int) -> int:
    """Delete up to ``most`` entries older than ``keep_days``, oldest first; returns how many."""
    cursor = await connection.execute(
        """
        DELETE FROM audit_log WHERE seq IN (
            SELECT seq FROM audit_log WHERE at < now() - make_interval(days => %s)
             ORDER BY at LIMIT %s)
        """,
        [keep_days, most],
    )
    return cursor.rowcount
