"""Addresses that one check looked up and others of the same slot use, for seconds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MAX_AGE_S: Final = 10.0
"""How long an answer is shared, if its TTL is not shorter."""

MAX_ANSWERS: Final = 20_000
"""About 6 MB. The oldest go first; whoever would have used one asks itself."""


class SharedAnswers:
    """The latest addresses by slot and host. Times are on the caller's clock, in seconds.

    A slot is whatever is equal for checks that may share: other slots ask on their own.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[Hashable, str], tuple[str, float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, slot: Hashable, host: str, now_s: float) -> str | None:
        """The address of this host, if a check of this slot may still use it."""
        entry = self._entries.get((slot, host))
        if entry is None:
            return None
        address, until_s, _ = entry
        return address if now_s < until_s else None

    def put(self, slot: Hashable, host: str, address: str, ttl_s: float, now_s: float) -> None:
        """Share an address that was received now, for ten seconds or its TTL."""
        self._expire(now_s)
        key = (slot, host)
        self._entries[key] = (address, now_s + min(ttl_s, MAX_AGE_S), now_s)
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_ANSWERS:
            self._entries.popitem(last=False)

    def _expire(self, now_s: float) -> None:
        """Drop what is too old for anybody: entries are in the order in which they came."""
        while self._entries:
            _, _, since_s = next(iter(self._entries.values()))
            if now_s - since_s < MAX_AGE_S:
                return
            self._entries.popitem(last=False)
