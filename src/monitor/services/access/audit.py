"""The audit log: written in the transaction of each change, and read page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from msgspec.structs import astuple

from monitor.domain.errors import BadQuery
from monitor.resources import cursors
from monitor.resources.audit import SYSTEM, Action, Actor, AuditFilter, Change, Entry
from monitor.storage.postgres import audit
from monitor.storage.postgres.pool import Connection, Pool, transaction

_EXPIRY_BATCH = 10_000
_MAX_SEQ = 2**63 - 1

_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)
"""On whose behalf this task acts; bound once per request, like the log context."""


def act_as(actor: Actor) -> None:
    """Act on behalf of this actor for the rest of this task."""
    _actor.set(actor)


def actor() -> Actor:
    """On whose behalf this task acts."""
    return _actor.get()


def holder() -> str:
    """Who holds what this task takes: the API key or the person it acts for."""
    acting = _actor.get()
    return str(acting.key_id or acting.user_id or acting.name)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Act on behalf of this actor within a block."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


async def note(
    connection: Connection,
    action: Action,
    object_id: object | None,
    changes: dict[str, Change] | None = None,
    **details: Any,
) -> None:
    """Record the action of this transaction and its actor."""
    name = None if object_id is None else str(object_id)
    await audit.insert(
        connection, _actor.get(), action, name, changes=changes or {}, details=details
    )


async def page(
    pool: Pool, query: AuditFilter, limit: int, cursor: str | None
) -> tuple[list[Entry], str | None]:
    """The next page of entries, newest first, and the cursor after it. Raises BadQuery."""
    if query.object is not None and not query.object.isprintable():
        raise BadQuery.of("object", "must not contain control characters")
    mark = cursors.fingerprint("audit", *astuple(query))
    before = None if cursor is None else _position(cursors.decode(cursor, mark))
    async with transaction(pool) as connection:
        rows = await audit.fetch_page(connection, query, before, limit + 1)
    more = len(rows) > limit
    last = rows[limit - 1].id.to_bytes(8, "big") if more else b""
    return rows[:limit], cursors.encode(last, mark) if more else None


def _position(raw: bytes) -> int:
    position = int.from_bytes(raw, "big")
    if len(raw) != 8 or position > _MAX_SEQ:
        raise cursors.not_a_cursor()
    return position


async def expire(pool: Pool, keep_days: int) -> int:
    """Delete entries older than ``keep_days``; returns how many."""
    removed = 0
    while True:
        async with transaction(pool) as connection:
            batch = await audit.expire(connection, keep_days, _EXPIRY_BATCH)
        removed += batch
        if batch < _EXPIRY_BATCH:
            return removed
