"""Whose turn it is, and when. Pure.

The commit has the first window and the last, the working tree every second one between them: a
machine that becomes steadily faster or slower favours neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from .options import MINUTE_S

Side = Literal["commit", "working tree"]

COMMIT: Side = "commit"
TREE: Side = "working tree"

PAUSE_BEFORE_S = 30
"""So long before a window ends its scheduler is paused: its last minute has long been queued, the
next one is not yet."""

_HOUR_S = 3600
_ROLL_UP_MINUTE_S = 300
"""Past the hour: the scheduler asks for a roll-up of the hour before."""


@dataclass(frozen=True)
class Turn:
    """One window. ``measured``: not the first of each side, in which every website is new to it.

    ``from_s``, ``until_s``: the slots that are measured, Unix seconds. ``warm_s``: for so long it
    checks before them.
    """

    side: Side
    from_s: int
    until_s: int
    measured: bool
    warm_s: int = 0

    @property
    def begin_s(self) -> int:
        """When its scheduler goes on."""
        return self.from_s - self.warm_s


@dataclass(frozen=True)
class Event:
    """Something to do at a moment, Unix seconds."""

    at_s: int
    do: Callable[[], None]


def plan(ready_s: float, windows: int, window_s: int, warm_s: int = 0) -> list[Turn]:
    """All turns, the two unmeasured ones first; each checks ``warm_s`` before its window."""
    sides: list[Side] = [COMMIT, TREE] * (windows + 1) + [COMMIT]
    turns: list[Turn] = []
    for number, side in enumerate(sides):
        earliest_s = turns[-1].until_s if turns else ready_s
        start_s = next_start(earliest_s, warm_s + window_s) + warm_s
        turns.append(Turn(side, start_s, start_s + window_s, measured=number > 1, warm_s=warm_s))
    return turns


def next_start(earliest_s: float, window_s: int) -> int:
    """The first whole minute from which on no roll-up of an hour falls into the window."""
    start_s = -int(-earliest_s // MINUTE_S) * MINUTE_S
    roll_up_s = start_s // _HOUR_S * _HOUR_S + _ROLL_UP_MINUTE_S
    if roll_up_s < start_s:
        roll_up_s += _HOUR_S
    return roll_up_s + MINUTE_S if roll_up_s < start_s + window_s else start_s


def in_order(events: Sequence[Event]) -> list[Event]:
    """By time; what was named first goes first in the same moment."""
    return sorted(events, key=lambda event: event.at_s)
