"""Availability: every second of a window in one class, and the figures of their sums. Pure.

What the figures mean is described in docs/concepts.md. Whoever changes what comes out for the same
input gives ``FORMULA`` another number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from monitor.domain.windows import Window, difference, intersection, total_s, union

FORMULA = 1
"""The version of the rules by which seconds are classed and figures computed."""


class State(StrEnum):
    """The classes of seconds. A second is in the first that fits."""

    EXCLUDED = "excluded"
    NOT_MEASURED = "not_measured"
    DOWN = "down"
    UP = "up"


class Interval(Struct, frozen=True, order=True):
    """The seconds [since_s, until_s), all of one class."""

    since_s: int
    until_s: int
    state: State


def intervals(
    window: Window,
    *,
    excluded: Iterable[Window],
    fresh: Iterable[Window],
    down: Iterable[Window],
) -> list[Interval]:
    """Divide a window into intervals, in order of time: none overlap, and their sum is the window.

    ``excluded``: pauses. ``fresh``: where some verdict counted, see ``domain.freshness``. ``down``:
    where an incident was open, or a verdict was down. They may overlap, and reach beyond the
    window.
    """
    whole = union([window])
    left_out = intersection(whole, union(excluded))
    counted = difference(whole, left_out)
    measured = intersection(counted, union(fresh))
    failed = intersection(measured, union(down))
    parts = {
        State.EXCLUDED: left_out,
        State.NOT_MEASURED: difference(counted, measured),
        State.DOWN: failed,
        State.UP: difference(measured, failed),
    }
    return sorted(Interval(w.since_s, w.until_s, s) for s, part in parts.items() for w in part)


class Seconds(Struct, frozen=True):
    """How many seconds were in each class. Those of several websites can be added up."""

    up_s: int = 0
    down_s: int = 0
    not_measured_s: int = 0
    excluded_s: int = 0

    @classmethod
    def of(cls, parts: Iterable[Interval]) -> Seconds:
        sums = dict.fromkeys(State, 0)
        for part in parts:
            sums[part.state] += part.until_s - part.since_s
        return cls(**{f"{state}_s": sum_s for state, sum_s in sums.items()})

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(
            self.up_s + other.up_s,
            self.down_s + other.down_s,
            self.not_measured_s + other.not_measured_s,
            self.excluded_s + other.excluded_s,
        )

    @property
    def measured(self) -> float | None:
        """The share of the measured seconds that were up; None where nothing was measured."""
        measured_s = self.up_s + self.down_s
        return self.up_s / measured_s if measured_s else None

    @property
    def low(self) -> float:
        """The share of up if all that was not measured had been down."""
        counted_s = self._counted_s
        return self.up_s / counted_s if counted_s else 0.0

    @property
    def high(self) -> float:
        """The share of up if all that was not measured had been up."""
        counted_s = self._counted_s
        return (self.up_s + self.not_measured_s) / counted_s if counted_s else 1.0

    @property
    def _counted_s(self) -> int:
        return self.up_s + self.down_s + self.not_measured_s


class Incidents(Struct, frozen=True):
    """The incidents of a window: how many, and how many seconds of class down each had."""

    number: int = 0
    down_s: int = 0
    longest_s: int = 0

    def __add__(self, other: Incidents) -> Incidents:
        longest_s = max(self.longest_s, other.longest_s)
        return Incidents(self.number + other.number, self.down_s + other.down_s, longest_s)

    @property
    def average_s(self) -> float | None:
        """How long an incident was down on average; None without incidents."""
        return self.down_s / self.number if self.number else None

    def mean_time_between_s(self, seconds: Seconds) -> float | None:
        """How long it was up for each incident; None without incidents."""
        return seconds.up_s / self.number if self.number else None


def incidents(window: Window, parts: Sequence[Interval], open_in: Iterable[Window]) -> Incidents:
    """Count the incidents of a window that is divided into these intervals.

    ``open_in``: when each incident was open; at most one is at a time. One is counted if it was
    open in the window, even where nothing was measured then. One that ended in the second in which
    it began has no seconds.
    """
    down = [Window(p.since_s, p.until_s) for p in parts if p.state is State.DOWN]
    counted = [w for w in open_in if _touches(window, w)]
    lengths_s = [total_s(intersection(down, [w])) for w in counted]
    return Incidents(len(counted), sum(lengths_s), max(lengths_s, default=0))


def _touches(window: Window, incident: Window) -> bool:
    """Whether an incident, which may be empty, was open in the window."""
    ended_before = incident.until_s <= window.since_s and incident.since_s < window.since_s
    return incident.since_s < window.until_s and not ended_before
