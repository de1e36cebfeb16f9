"""Strips: a website's last day or quarter as letters, one for each half hour or day. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

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

    def cell(self, at_s: int) -> int:
        """The cell of this second; -1 before the first, ``number`` after the last."""
        return min(max((at_s - self.since_s) // self.width_s, -1), self.number)

    def overlap_s(self, cell: int, since_s: int, until_s: int) -> int:
        """How many seconds of [since_s, until_s) are in a cell."""
        start_s = self.since_s + cell * self.width_s
        return min(until_s, start_s + self.width_s) - max(since_s, start_s)


def strip(parts: Sequence[Interval], cells: Cells) -> str:
    """The letter of each cell: u up, d down, p partly down, n not measured, z paused, - nothing.

    Any second of down makes it d or p: d if all seconds were down but those left out. ``parts``:
    intervals in order of time that touch, as ``availability.intervals`` has them; they may reach
    beyond the cells.
    """
    letters = [NOTHING] * cells.number
    if not parts:
        return "".join(letters)
    begin = max(cells.cell(parts[0].since_s), 0)
    end = min(cells.cell(parts[-1].until_s - 1) + 1, cells.number)
    letters[begin:end] = _LETTERS[State.UP] * (end - begin)
    for cell, sums_s in _shares(parts, cells, letters).items():
        there_s = cells.overlap_s(cell, parts[0].since_s, parts[-1].until_s)
        letters[cell] = _letter(sums_s, there_s)
    return "".join(letters)


def _shares(
    parts: Sequence[Interval], cells: Cells, letters: list[str]
) -> dict[int, dict[State, int]]:
    """How many seconds of each class but up the cells have, by the cell.

    Those in the middle of an interval get their letter at once.
    """
    shares = dict[int, dict[State, int]]()
    for number in range(bisect_right(parts, cells.since_s, key=_end), len(parts)):
        part = parts[number]
        if part.state is State.UP:
            continue
        first, last = cells.cell(part.since_s), cells.cell(part.until_s - 1)
        for cell in (first, last) if first < last else (first,):
            if 0 <= cell < cells.number:
                sums_s = shares.setdefault(cell, {})
                overlap_s = cells.overlap_s(cell, part.since_s, part.until_s)
                sums_s[part.state] = sums_s.get(part.state, 0) + overlap_s
        if first + 1 < last:
            letters[first + 1 : last] = _LETTERS[part.state] * (last - first - 1)
    return shares


def _end(part: Interval) -> int:
    return part.until_s


def _letter(sums_s: Mapping[State, int], there_s: int) -> str:
    """The letter of a cell: ``sums_s`` of its ``there_s`` seconds were not up."""
    up_s = there_s - sum(sums_s.values())
    if State.DOWN in sums_s:
        partly = up_s or State.NOT_MEASURED in sums_s
        return _PARTLY_DOWN if partly else _LETTERS[State.DOWN]
    lengths_s = {State.UP: up_s, **sums_s}
    return _LETTERS[max(_BY_LENGTH, key=lambda state: lengths_s.get(state, 0))]
