"""Sets of seconds, as windows in order of time that do not touch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Window(Struct, frozen=True, order=True):
    """The seconds [since_s, until_s), in Unix seconds."""

    since_s: int
    until_s: int

    @property
    def length_s(self) -> int:
        return self.until_s - self.since_s


def union(windows: Iterable[Window]) -> list[Window]:
    """The seconds that are in any of these windows, which may overlap and be empty."""
    united: list[Window] = []
    for window in sorted(w for w in windows if w.since_s < w.until_s):
        if united and window.since_s <= united[-1].until_s:
            until_s = max(united[-1].until_s, window.until_s)
            united[-1] = Window(united[-1].since_s, until_s)
        else:
            united.append(window)
    return united


def intersection(one: Sequence[Window], other: Sequence[Window]) -> list[Window]:
    """The seconds that are in both sets."""
    common: list[Window] = []
    i = j = 0
    while i < len(one) and j < len(other):
        since_s = max(one[i].since_s, other[j].since_s)
        until_s = min(one[i].until_s, other[j].until_s)
        if since_s < until_s:
            common.append(Window(since_s, until_s))
        if one[i].until_s < other[j].until_s:
            i += 1
        else:
            j += 1
    return common


def difference(one: Sequence[Window], other: Sequence[Window]) -> list[Window]:
    """The seconds of the first set that are not in the other."""
    if not one:
        return []
    first_s, last_s = one[0].since_s, one[-1].until_s
    edges = [w for w in other if w.until_s > first_s and w.since_s < last_s]
    begins = [first_s, *(w.until_s for w in edges)]
    ends = [*(w.since_s for w in edges), last_s]
    between = [Window(b, e) for b, e in zip(begins, ends, strict=True) if b < e]
    return intersection(one, between)


def total_s(windows: Iterable[Window]) -> int:
    """How many seconds are in these windows."""
    return sum(w.length_s for w in windows)
