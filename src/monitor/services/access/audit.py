"""The audit log: written with every change, in its transaction, and read by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from monitor.domain.errors import BadQuery
from monitor.resources import cursors as paging
from monitor.resources.audit import SYSTEM, Action, Actor, AuditFilter, Change, Entry
from monitor.storage.postgres import audit
from monitor.storage.postgres.pool import Connection, Pool, transaction

_EXPIRED_AT_ONCE = 10_000
_MAX_SEQ = 2**63 - 1

_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)
"""Whoever this task works for: bound once at the door, as the log's context is."""


def act_as(actor: Actor) -> None:
    """What this task does from now on, this one does."""
    _actor.set(actor)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """What is done in this block, this one does."""
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
    """Say in this transaction what it does, and who."""
    name = None if object_id is None else str(object_id)
    await audit.insert(
        connection, _actor.get(), action, name, changes=changes or {}, details=details
    )


async def page(
    pool: Pool, wanted: AuditFilter, limit: int, cursor: str | None
) -> tuple[list[Entry], str | None]:
    """The next entries, newest first, and the cursor of those after them. Raises BadQuery."""
    if wanted.object is not None and not wanted.object.isprintable():
        raise BadQuery.of("object", "must not contain control characters")
    mark = paging.fingerprint("audit", wanted)
    before = None if cursor is None else _position(paging.decode(cursor, mark))
    async with transaction(pool) as connection:
        found = await audit.fetch_page(connection, wanted, before, limit + 1)
    more = len(found) > limit
    last = found[limit - 1].id.to_bytes(8, "big") if more else b""
    return found[:limit], paging.encode(last, mark) if more else None


def _position(raw: bytes) -> int:
    found = int.from_bytes(raw, "big")
    if len(raw) != 8 or found > _MAX_SEQ:
        raise paging.not_a_cursor()
    return found


async def expire(pool: Pool, keep_days: int) -> int:
    """Remove entries that are older than that; returns how many."""
    removed = 0
    while True:
        async with transaction(pool) as connection:
            gone = await audit.expire(connection, keep_days, _EXPIRED_AT_ONCE)
        removed += gone
        if gone < _EXPIRED_AT_ONCE:
            return removed
