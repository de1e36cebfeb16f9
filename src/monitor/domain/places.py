"""Who of the waiting gets a place, and who gives one up for them. Holders are API keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def next_waiter(holders: Sequence[str], waiting: Sequence[str]) -> int | None:
    """The position of the one that gets a free place: the first of those who hold the fewest."""
    holds = Counter(holders)
    return min(range(len(waiting)), key=lambda n: (holds[waiting[n]], n), default=None)


def giving_way(holders: Sequence[str], waiting: Sequence[str], leaving: int) -> int | None:
    """The position of the place to give up, so that one who holds none gets one; None if none.

    Whoever holds the most gives way, with the youngest place, and keeps at least one. ``holders``:
    the holders of the places, the oldest first, without those ``leaving`` already.
    """
    holds = Counter(holders)
    newcomers = set(waiting) - holds.keys()
    if len(newcomers) <= leaving or not holds:
        return None
    most, count = max(holds.items(), key=lambda item: item[1])
    if count < 2:
        return None
    return max(n for n, holder in enumerate(holders) if holder == most)
