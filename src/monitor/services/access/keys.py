"""API keys: created once, shown once, checked in constant time.

A key has the form ``mon_<id, 32 hex digits>_<secret, 43 characters of base64url>``. The secret has
256 random bits, so a plain SHA-256 protects it as well as a slow hash would.
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
from monitor.resources import cursors
from monitor.resources.audit import Action, created, removed
from monitor.resources.formats import InvalidValue, text
from monitor.resources.key import NewKey, Rotation
from monitor.services.access import audit
from monitor.storage.postgres import keys
from monitor.storage.postgres.keys import KeyHash, KeyInfo
from monitor.storage.postgres.pool import Connection, Pool, transaction

_FINGERPRINT = cursors.fingerprint("keys")
_PAGE = 500


class CreatedKey(Struct, frozen=True):
    """A new key and its text, which is not stored."""

    info: KeyInfo
    text: str

    def __repr__(self) -> str:
        """Omits the key."""
        return f"CreatedKey({self.info.id})"


async def create(pool: Pool, new: NewKey) -> CreatedKey:
    """Create a key."""
    async with transaction(pool) as connection:
        key = await _create(connection, new)
        changes = created(_audit_values(key.info))
        await audit.note(connection, Action.KEY_CREATED, key.info.id, changes)
        return key


def _audit_values(info: KeyInfo) -> dict[str, Any]:
    return {"name": info.name, "role": info.role, "expires_at": info.expires_at}


async def create_key(pool: Pool, name: str, role: Role, expires_in: int | None = None) -> str:
    """Create a key and return its text. Raises InvalidInput for a bad name."""
    try:
        checked = text(name, 255)
    except InvalidValue as refused:
        raise InvalidInput.of("name", str(refused)) from None
    key = await create(pool, NewKey(name=checked, role=Role(role), expires_in=expires_in))
    return key.text


async def _create(connection: Connection, new: NewKey, like: UUID | None = None) -> CreatedKey:
    """``like``: who made the key that this one succeeds."""
    key_id = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
    secret = secrets.token_urlsafe(32)
    stored = KeyHash(new.name, new.role, hash_of(secret))
    created_by = await _creator(connection) or like
    await keys.insert(connection, key_id, stored, new.expires_in, created_by)
    info = await keys.fetch(connection, key_id)
    assert info is not None
    return CreatedKey(info, f"mon_{key_id.hex}_{secret}")


async def _creator(connection: Connection) -> UUID | None:
    """The person who acts, or who made the key that acts."""
    actor = audit.actor()
    if actor.key_id is None:
        return actor.user_id
    acting = await keys.fetch(connection, actor.key_id)
    return None if acting is None else acting.created_by


async def get(pool: Pool, key_id: UUID) -> KeyInfo:
    """One key without its secret. Raises NotFound."""
    async with transaction(pool) as connection:
        info = await keys.fetch(connection, key_id)
    if info is None:
        raise NotFound("key_not_found", "There is no key with this id.")
    return info


async def page(pool: Pool, limit: int, cursor: str | None) -> tuple[list[KeyInfo], str | None]:
    """The next page of keys, oldest first, and the cursor after it. Raises BadQuery."""
    after = cursors.decode_id(cursor, _FINGERPRINT)
    async with transaction(pool) as connection:
        rows = await keys.fetch_page(connection, after, limit + 1)
    more = len(rows) > limit
    return rows[:limit], cursors.encode(rows[limit - 1].id.bytes, _FINGERPRINT) if more else None


async def list_keys(pool: Pool) -> list[KeyInfo]:
    """All keys without their secrets, oldest first."""
    return [info async for info in _all(pool)]


async def _all(pool: Pool) -> AsyncIterator[KeyInfo]:
    after = None
    while True:
        async with transaction(pool) as connection:
            rows = await keys.fetch_page(connection, after, _PAGE)
        for info in rows:
            yield info
        if len(rows) < _PAGE:
            return
        after = rows[-1].id


async def rotate_key(pool: Pool, key_id: UUID, rotation: Rotation) -> CreatedKey:
    """Create a successor with the same name and role; the old key stays valid for the overlap.

    Raises NotFound if the key does not exist or is no longer valid, Conflict if it has a valid
    successor.
    """
    async with transaction(pool) as connection:
        old = await _active(connection, key_id)
        like = await _ended_successor(connection, old) or old
        lifetime_s = _lifetime_s(like, rotation)
        fields = NewKey(name=old.name, role=old.role, expires_in=lifetime_s)
        new = await _create(connection, fields, like=old.created_by)
        await keys.replace(connection, key_id, new.info.id, rotation.overlap)
        info = await keys.fetch(connection, new.info.id)
        assert info is not None
        details: dict[str, Any] = {
            "successor": info.id,
            "overlap": rotation.overlap,
            "expires_at": info.expires_at,
        }
        await audit.note(connection, Action.KEY_ROTATED, key_id, **details)
        return CreatedKey(info, new.text)


async def _ended_successor(connection: Connection, old: KeyInfo) -> KeyInfo | None:
    """The successor of an earlier rotation, if any. Raises Conflict if that is still valid."""
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


def _lifetime_s(like: KeyInfo, rotation: Rotation) -> int | None:
    """The lifetime of a successor: as requested, else that of ``like``."""
    if rotation.expires_in is not UNSET:
        return rotation.expires_in
    if like.expires_at is None:
        return None
    return max(int((like.expires_at - like.created_at).total_seconds()), 1)


async def revoke_key(pool: Pool, key_id: UUID) -> None:
    """Revoke a key. Raises NotFound if it does not exist or is no longer valid."""
    async with transaction(pool) as connection:
        await _revoke(connection, key_id)


async def revoke_keys_of(connection: Connection, user_id: UUID) -> int:
    """Revoke the valid keys that a person made, in this transaction; returns how many."""
    key_ids = await keys.made_by(connection, user_id)
    for key_id in key_ids:
        await _revoke(connection, key_id)
    return len(key_ids)


async def _revoke(connection: Connection, key_id: UUID) -> None:
    before = await _active(connection, key_id)
    await keys.revoke(connection, key_id)
    changes = removed(_audit_values(before))
    await audit.note(connection, Action.KEY_REVOKED, key_id, changes)


async def _active(connection: Connection, key_id: UUID) -> KeyInfo:
    """Lock and return a valid key. Raises NotFound."""
    info = await keys.lock(connection, key_id)
    if info is None or info.state is not KeyState.ACTIVE:
        raise NotFound("key_not_found", "There is no valid key with this id.")
    return info


def hash_of(secret: str) -> bytes:
    """The hash to store for a secret."""
    return hashlib.sha256(secret.encode()).digest()
