"""Addresses that one check looked up and others of the same slot use, for seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Final, TypeAlias

MAX_AGE_S: Final = 10.0
"""How long an answer is shared, if its TTL is not shorter."""

MAX_ANSWERS: Final = 20_000
"""About 6 MB. The oldest go first; whoever would have used one asks itself."""

_Key: TypeAlias = tuple[Hashable, str]
_Entry: TypeAlias = tuple[str, float, float]
"""An address, until when it is shared, and when it came."""


class SharedAnswers:
    """The latest addresses by slot and host. Times are on the caller's clock, in seconds.

    A slot is whatever is equal for checks that may share: other slots ask on their own.
    """

    def __init__(self) -> None:
        self._entries: dict[_Key, _Entry] = {}
        self._order: deque[tuple[_Key, _Entry]] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, slot: Hashable, host: str, now_s: float) -> str | None:
        """The address of this host, if a check of this slot may still use it."""
        entry = self._entries.get((slot, host))
        return entry[0] if entry is not None and now_s < entry[1] else None

    def put(self, slot: Hashable, host: str, address: str, ttl_s: float, now_s: float) -> None:
        """Share an address that was received now, for ten seconds or its TTL."""
        key, entry = (slot, host), (address, now_s + min(ttl_s, MAX_AGE_S), now_s)
        self._entries[key] = entry
        self._order.append((key, entry))
        while len(self._order) > MAX_ANSWERS or now_s - self._order[0][1][2] >= MAX_AGE_S:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Drop what came first, unless another answer has replaced it."""
        key, entry = self._order.popleft()
        if self._entries.get(key) is entry:
            del self._entries[key]
