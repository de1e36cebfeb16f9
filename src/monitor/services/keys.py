"""API keys: made once, shown once, checked in constant time.

A key reads ``mon_<id, 32 hex digits>_<secret, 43 characters of base64url>``. The secret has 256
random bits, so its plain SHA-256 is as good as any slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable
from uuid import UUID

from monitor.domain.access import Role
from monitor.domain.errors import InvalidInput, NotFound
from monitor.domain.formats import Refused, text
from monitor.domain.ids import uuid7
from monitor.storage.postgres import keys
from monitor.storage.postgres.keys import KeyHash, KeyInfo
from monitor.storage.postgres.pool import Pool, transaction

CACHE_S = 5.0
"""A revoked key may still work this long in a process that has just seen it."""

_MAX_CACHED = 10_000
_SHAPE = re.compile(r"mon_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_NOBODY = KeyHash(Role.READ, bytes(32))


async def create_key(pool: Pool, name: str, role: Role) -> str:
    """Make a key and return its text, which is not kept. Raises InvalidInput for a bad name."""
    try:
        checked = text(name, 255)
    except Refused as refused:
        raise InvalidInput.of("name", str(refused)) from None
    key_id = uuid7(time.time_ns() // 1_000_000, os.urandom(10))
    secret = secrets.token_urlsafe(32)
    async with transaction(pool) as connection:
        await keys.insert(connection, key_id, checked, KeyHash(Role(role), _hash(secret)))
    return f"mon_{key_id.hex}_{secret}"


async def list_keys(pool: Pool) -> list[KeyInfo]:
    """All keys without their secrets, oldest first."""
    async with transaction(pool) as connection:
        return await keys.fetch_all(connection)


async def revoke_key(pool: Pool, key_id: UUID) -> None:
    """End a key for good. Raises NotFound where there is none or it has ended already."""
    async with transaction(pool) as connection:
        if not await keys.revoke(connection, key_id):
            raise NotFound("key_not_found", "There is no valid key with this id.")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


class KeyRing:
    """Checks keys, and remembers good ones for five seconds. ``now_s`` is a monotonic clock."""

    def __init__(self, pool: Pool, now_s: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._now_s = now_s
        self._known: dict[bytes, tuple[Role, float]] = {}

    async def role_of(self, key: str) -> Role | None:
        """What this key allows; None where it is no valid key. Raises Unavailable."""
        match = _SHAPE.fullmatch(key)
        if match is None:
            return None
        digest = _hash(key)
        known = self._known.get(digest)
        if known is not None and self._now_s() < known[1]:
            return known[0]
        role = await self._look_up(UUID(match[1]), match[2])
        self._remember(digest, role)
        return role

    async def _look_up(self, key_id: UUID, secret: str) -> Role | None:
        async with transaction(self._pool) as connection:
            found = await keys.valid(connection, key_id)
        # An id that is not there costs what a wrong secret costs.
        same = hmac.compare_digest((found or _NOBODY).hash, _hash(secret))
        return found.role if found is not None and same else None

    def _remember(self, digest: bytes, role: Role | None) -> None:
        self._known.pop(digest, None)
        if role is None:
            return
        if len(self._known) >= _MAX_CACHED:
            self._known.clear()
        self._known[digest] = (role, self._now_s() + CACHE_S)
