"""Checks API keys in constant time and caches valid ones."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable
from uuid import UUID

from monitor.domain.access import Identity, KeyState, Refusal, Role
from monitor.services.access.keys import hash_of
from monitor.storage.postgres import keys
from monitor.storage.postgres.keys import KeyHash
from monitor.storage.postgres.pool import Pool, session

CACHE_S = 5.0
"""How long a process may still accept a key after it was revoked."""

_MAX_CACHED = 10_000
_SHAPE = re.compile(r"mon_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_NO_KEY = KeyHash("", Role.READ, bytes(32))


class KeyRing:
    """Checks keys and caches valid ones for 5 s. ``now_s`` is a monotonic clock."""

    def __init__(self, pool: Pool, now_s: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._now_s = now_s
        self._cache: dict[bytes, tuple[Identity, float]] = {}
        self._valid: dict[bytes, None] = {}

    def was_valid(self, key: str) -> bool:
        """Whether this key was valid when this process last looked it up."""
        return hash_of(key) in self._valid

    async def identify(self, key: str) -> Identity | Refusal:
        """The owner of a key, or why it is refused. Raises Unavailable."""
        match = _SHAPE.fullmatch(key)
        if match is None:
            return Refusal.UNKNOWN
        digest = hash_of(key)
        cached = self._cache.get(digest)
        if cached is not None and self._now_s() < cached[1]:
            return cached[0]
        self._cache.pop(digest, None)
        result, left_s = await self._look_up(UUID(match[1]), match[2])
        self._valid.pop(digest, None)
        if isinstance(result, Identity):
            self._remember(digest, result, left_s)
        return result

    async def _look_up(self, key_id: UUID, secret: str) -> tuple[Identity | Refusal, float]:
        """The result from the database, and for how many seconds it may be cached."""
        async with session(self._pool) as connection:
            stored = await keys.hash_of(connection, key_id)
            # An unknown id takes as long as a wrong secret.
            same = hmac.compare_digest((stored or _NO_KEY).hash, hash_of(secret))
            if stored is None or not same:
                return Refusal.UNKNOWN, 0.0
            if stored.state is not KeyState.ACTIVE:
                return Refusal(stored.state.value), 0.0
            if not stored.used_lately:
                # Not ``atomic``: no caller asks whether this was stored.
                async with connection.transaction():
                    await keys.note_use(connection, key_id)
        left_s = CACHE_S if stored.left_s is None else min(stored.left_s, CACHE_S)
        return Identity(key_id, stored.name, stored.role), left_s

    def _remember(self, digest: bytes, identity: Identity, left_s: float) -> None:
        if len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        self._cache[digest] = (identity, self._now_s() + left_s)
        while len(self._valid) >= _MAX_CACHED:
            del self._valid[next(iter(self._valid))]
        self._valid[digest] = None
