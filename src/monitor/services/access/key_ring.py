"""Checking keys: in constant time, and without a look at the database for every request."""

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
from monitor.storage.postgres.pool import Pool, transaction

CACHE_S = 5.0
"""A revoked key may still work this long in a process that has just seen it."""

_MAX_CACHED = 10_000
_SHAPE = re.compile(r"mon_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_NOBODY = KeyHash("", Role.READ, bytes(32))


class KeyRing:
    """Checks keys, and remembers good ones for five seconds. ``now_s`` is a monotonic clock."""

    def __init__(self, pool: Pool, now_s: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._now_s = now_s
        self._known: dict[bytes, tuple[Identity, float]] = {}
        self._good: dict[bytes, None] = {}

    def has_known(self, key: str) -> bool:
        """Whether this key was good when it was last looked up here."""
        return hash_of(key) in self._good

    async def identify(self, key: str) -> Identity | Refusal:
        """Who asks with this key, or why nobody does. Raises Unavailable."""
        match = _SHAPE.fullmatch(key)
        if match is None:
            return Refusal.UNKNOWN
        digest = hash_of(key)
        known = self._known.get(digest)
        if known is not None and self._now_s() < known[1]:
            return known[0]
        self._known.pop(digest, None)
        found, left_s = await self._look_up(UUID(match[1]), match[2])
        self._good.pop(digest, None)
        if isinstance(found, Identity):
            self._remember(digest, found, left_s)
        return found

    async def _look_up(self, key_id: UUID, secret: str) -> tuple[Identity | Refusal, float]:
        """What the database says, and for how many seconds that may be believed."""
        async with transaction(self._pool) as connection:
            found = await keys.hash_of(connection, key_id)
            # An id that is not there costs what a wrong secret costs.
            same = hmac.compare_digest((found or _NOBODY).hash, hash_of(secret))
            if found is None or not same:
                return Refusal.UNKNOWN, 0.0
            if found.state is not KeyState.ACTIVE:
                return Refusal(found.state.value), 0.0
            if not found.used_lately:
                await keys.note_use(connection, key_id)
        left_s = CACHE_S if found.left_s is None else min(found.left_s, CACHE_S)
        return Identity(key_id, found.name, found.role), left_s

    def _remember(self, digest: bytes, who: Identity, left_s: float) -> None:
        if len(self._known) >= _MAX_CACHED:
            self._known.clear()
        self._known[digest] = (who, self._now_s() + left_s)
        while len(self._good) >= _MAX_CACHED:
            del self._good[next(iter(self._good))]
        self._good[digest] = None
