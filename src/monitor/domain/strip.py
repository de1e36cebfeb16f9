"""Strips: a website's last day or quarter as letters, one for each half hour or day. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from monitor.domain.availability import Interval, State
from monitor.domain.series import DAY_S

HALF_HOUR_S = 1800

NOTHING = "-"
"""The website was not there yet."""
_PARTLY_DOWN = "p"
_LETTERS = {State.UP: "u", State.DOWN: "d", State.NOT_MEASURED: "n", State.EXCLUDED: "z"}
"""m, for maintenance, is yet to come."""

_BY_LENGTH = (State.NOT_MEASURED, State.EXCLUDED, State.UP)
"""Where nothing was down, what lasted longest; of equals, the first of these."""


class Cells(Struct, frozen=True):
    """``number`` cells of ``width_s`` from ``since_s`` (Unix seconds) on, one for each letter."""

    since_s: int
    width_s: int
    number: int

    @classmethod
    def of_day(cls, now_s: int) -> Cells:
        """48 half hours; the last is the one that runs."""
        return cls._until(now_s, HALF_HOUR_S, 48)

    @classmethod
    def of_quarter(cls, now_s: int) -> Cells:
        """90 days of UTC; the last is the one that runs."""
        return cls._until(now_s, DAY_S, 90)

    @classmethod
    def _until(cls, now_s: int, width_s: int, number: int) -> Cells:
        return cls(now_s - now_s % width_s - (number - 1) * width_s, width_s, number)


def strip(parts: Iterable[Interval], cells: Cells) -> str:
    """The letter of each cell: u up, d down, p partly down, n not measured, z paused, - nothing.

    Any second of down makes it d or p: d if all seconds were down but those left out. ``parts``:
    intervals that do not overlap; they may reach beyond the cells.
    """
    letters, shared = [NOTHING] * cells.number, dict[int, dict[State, int]]()
    end_s = cells.since_s + cells.number * cells.width_s
    for part in parts:
        since_s, until_s = max(part.since_s, cells.since_s), min(part.until_s, end_s)
        if since_s < until_s:
            _mark(letters, shared, Interval(since_s, until_s, part.state), cells)
    for cell, sums_s in shared.items():
        letters[cell] = _letter(sums_s)
    return "".join(letters)


def _mark(
    letters: list[str], shared: dict[int, dict[State, int]], part: Interval, cells: Cells
) -> None:
    """Fill in the cells that lie within the interval; note how much it has of the others."""
    first, into_s = divmod(part.since_s - cells.since_s, cells.width_s)
    last, beyond_s = divmod(part.until_s - cells.since_s, cells.width_s)
    edges = dict[int, int]()
    if into_s:
        edges[first] = min(cells.width_s - into_s, part.until_s - part.since_s)
        first += 1
    if beyond_s and last >= first:
        edges[last] = beyond_s
    for cell, length_s in edges.items():
        sums_s = shared.setdefault(cell, {})
        sums_s[part.state] = sums_s.get(part.state, 0) + length_s
    if first < last:
        letters[first:last] = _LETTERS[part.state] * (last - first)


def _letter(sums_s: Mapping[State, int]) -> str:
    """The letter of a cell with so many seconds of each class."""
    if State.DOWN in sums_s:
        others = sums_s.keys() - {State.DOWN, State.EXCLUDED}
        return _PARTLY_DOWN if others else _LETTERS[State.DOWN]
    return _LETTERS[max(_BY_LENGTH, key=lambda state: sums_s.get(state, 0))]
