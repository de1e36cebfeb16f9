"""API keys: created once, shown once, checked in constant time.

A key reads ``mon_<id, 32 hex digits>_<secret, 43 characters of base64url>``. The secret has 256
random bits, so its plain SHA-256 is as good as any slow hash.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct

from monitor.domain.access import KeyState, Role
from monitor.domain.errors import Conflict, InvalidInput, NotFound
from monitor.domain.ids import uuid7
from monitor.resources import cursors as paging
from monitor.resources.audit import Action, created, removed
from monitor.resources.formats import InvalidValue, text
from monitor.resources.key import NewKey, Rotation
from monitor.services.access import audit
from monitor.storage.postgres import keys
from monitor.storage.postgres.keys import KeyHash, KeyInfo
from monitor.storage.postgres.pool import Connection, Pool, transaction

_FINGERPRINT = paging.fingerprint("keys")
_PAGE = 500


class MadeKey(Struct, frozen=True):
    """A new key and its text, which is not kept."""

    info: KeyInfo
    text: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"MadeKey({self.info.id})"


async def create(pool: Pool, wanted: NewKey) -> MadeKey:
    """Make a key."""
    async with transaction(pool) as connection:
        found = await _make(connection, wanted)
        await audit.note(
            connection, Action.KEY_CREATED, found.info.id, created(_described(found.info))
        )
        return found


def _described(info: KeyInfo) -> dict[str, Any]:
    return {"name": info.name, "role": info.role, "expires_at": info.expires_at}


async def create_key(pool: Pool, name: str, role: Role, expires_in: int | None = None) -> str:
    """Make a key and return its text. Raises InvalidInput for a bad name."""
    try:
        checked = text(name, 255)
    except InvalidValue as refused:
        raise InvalidInput.of("name", str(refused)) from None
    found = await create(pool, NewKey(name=checked, role=Role(role), expires_in=expires_in))
    return found.text


async def _make(connection: Connection, wanted: NewKey) -> MadeKey:
    key_id = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
    secret = secrets.token_urlsafe(32)
    stored = KeyHash(wanted.name, wanted.role, hash_of(secret))
    await keys.insert(connection, key_id, stored, wanted.expires_in)
    info = await keys.fetch(connection, key_id)
    assert info is not None
    return MadeKey(info, f"mon_{key_id.hex}_{secret}")


async def get(pool: Pool, key_id: UUID) -> KeyInfo:
    """One key without its secret. Raises NotFound."""
    async with transaction(pool) as connection:
        found = await keys.fetch(connection, key_id)
    if found is None:
        raise NotFound("key_not_found", "There is no key with this id.")
    return found


async def page(pool: Pool, limit: int, cursor: str | None) -> tuple[list[KeyInfo], str | None]:
    """The next keys, oldest first, and the cursor of those after them. Raises BadQuery."""
    after = None if cursor is None else _position(paging.decode(cursor, _FINGERPRINT))
    async with transaction(pool) as connection:
        found = await keys.fetch_page(connection, after, limit + 1)
    more = len(found) > limit
    return found[:limit], paging.encode(found[limit - 1].id.bytes, _FINGERPRINT) if more else None


def _position(raw: bytes) -> UUID:
    if len(raw) != 16:
        raise paging.not_a_cursor()
    return UUID(bytes=raw)


async def list_keys(pool: Pool) -> list[KeyInfo]:
    """All keys without their secrets, oldest first."""
    return [info async for info in _all(pool)]


async def _all(pool: Pool) -> AsyncIterator[KeyInfo]:
    after = None
    while True:
        async with transaction(pool) as connection:
            found = await keys.fetch_page(connection, after, _PAGE)
        for info in found:
            yield info
        if len(found) < _PAGE:
            return
        after = found[-1].id


async def rotate_key(pool: Pool, key_id: UUID, wanted: Rotation) -> MadeKey:
    """Make a successor of the same name and role; the key itself goes on for the overlap.

    Raises NotFound where there is no such key or it has ended, Conflict where it has a successor
    that works.
    """
    async with transaction(pool) as connection:
        old = await _active(connection, key_id)
        like = await _ended_successor(connection, old) or old
        new = await _make(
            connection, NewKey(name=old.name, role=old.role, expires_in=_lifetime(like, wanted))
        )
        await keys.replace(connection, key_id, new.info.id, wanted.overlap)
        info = await keys.fetch(connection, new.info.id)
        assert info is not None
        details: dict[str, Any] = {
            "successor": info.id,
            "overlap": wanted.overlap,
            "expires_at": info.expires_at,
        }
        await audit.note(connection, Action.KEY_ROTATED, key_id, **details)
        return MadeKey(info, new.text)


async def _ended_successor(connection: Connection, old: KeyInfo) -> KeyInfo | None:
    """What the key was rotated into before, if it was. Raises Conflict where that works."""
    if old.replaced_by is None:
        return None
    successor = await keys.fetch(connection, old.replaced_by)
    if successor is not None and successor.state is KeyState.ACTIVE:
        raise Conflict(
            "key_rotated",
            f"This key was rotated already; its successor is {successor.id}. Rotate that one, or "
            "revoke it first.",
        )
    return successor


def _lifetime(like: KeyInfo, wanted: Rotation) -> int | None:
    """How many seconds a successor is created for: unless said, as many as this key was."""
    if wanted.expires_in is not UNSET:
        return wanted.expires_in
    if like.expires_at is None:
        return None
    return max(int((like.expires_at - like.created_at).total_seconds()), 1)


async def revoke_key(pool: Pool, key_id: UUID) -> None:
    """End a key for good. Raises NotFound where there is none or it has ended already."""
    async with transaction(pool) as connection:
        before = await _active(connection, key_id)
        await keys.revoke(connection, key_id)
        changes = removed(_described(before))
        await audit.note(connection, Action.KEY_REVOKED, key_id, changes)


async def _active(connection: Connection, key_id: UUID) -> KeyInfo:
    """A key that works, held. Raises NotFound."""
    found = await keys.lock(connection, key_id)
    if found is None or found.state is not KeyState.ACTIVE:
        raise NotFound("key_not_found", "There is no valid key with this id.")
    return found


def hash_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()
