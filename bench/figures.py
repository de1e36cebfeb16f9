"""The arithmetic of a measurement. Pure."""

from __future__ import annotations

import datetime as dt
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MEASURE_AT_LEAST_S = 60
"""A whole minute, so that what happens once a minute is in it."""

_START_BY_S = 40
"""Of a minute: 20 s are left, to start in a few and to idle the rest."""


@dataclass(frozen=True)
class Window:
    """The slots measured, Unix seconds: whole intervals from the start of one to that of another.

    ``first_slot_s``: when batches begin to be queued; what comes before ``from_s`` is warm-up.
    """

    first_slot_s: int
    from_s: int
    until_s: int
    interval_s: int

    @property
    def seconds(self) -> int:
        return self.until_s - self.from_s

    @property
    def slots_each(self) -> int:
        """How often each website is due."""
        return self.seconds // self.interval_s


def good_start(now_s: float) -> float:
    """When to start our processes: now, or at the next minute where that is near.

    What is queued each minute must find them running, and before it they are watched idling.
    """
    second = now_s % 60
    return now_s if second <= _START_BY_S else now_s - second + 60


def window(ready_s: float, interval_s: int, at_least_s: int = MEASURE_AT_LEAST_S) -> Window:
    """From the next minute on an interval of warm-up, then whole intervals.

    Websites that are new to a tick store cost more at first, hence a whole interval.
    """
    first = -int(-ready_s // 60) * 60
    begin = -(-(first + interval_s) // interval_s) * interval_s
    intervals = -(-at_least_s // interval_s)
    return Window(first, begin, begin + intervals * interval_s, interval_s)


@dataclass(frozen=True)
class Batch:
    """A line ``batch.checked``: written when the batch was done, states stored."""

    at_s: float
    slot_s: int
    websites: int
    not_measured: int
    down: int

    @property
    def lag_s(self) -> float:
        return self.at_s - self.slot_s


def batches(lines: Iterable[str]) -> list[Batch]:
    """The batches that a worker's log tells of; lines that are not ours are passed over."""
    found = []
    for line in lines:
        if '"batch.checked"' in line and (said := _object(line)):
            at_s = dt.datetime.fromisoformat(said["timestamp"]).timestamp()
            found.append(
                Batch(at_s, said["slot_s"], said["websites"], said["not_measured"], said["down"])
            )
    return found


def times_of(lines: Iterable[str], event: str) -> list[float]:
    """When a process told of this event, Unix seconds."""
    mark = f'"{event}"'
    found = (_object(line) for line in lines if mark in line)
    return [dt.datetime.fromisoformat(f["timestamp"]).timestamp() for f in found if f]


def _object(line: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None  # cut off: the process is still writing


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` of them do not exceed (nearest rank)."""
    if not values:
        return float("nan")
    ranked = sorted(values)
    return ranked[max(0, -int(-len(ranked) * percent // 100) - 1)]


def lag_s(batches: Iterable[Batch], percent: float) -> float:
    """The lag that at least ``percent`` of the checks do not exceed; nan without any.

    A check that runs into its timeout has a line of its own, so a line does not count as one.
    """
    ranked = sorted(batches, key=lambda batch: batch.lag_s)
    enough = sum(batch.websites for batch in ranked) * percent / 100
    for batch in ranked:
        enough -= batch.websites
        if enough <= 0:
            return batch.lag_s
    return float("nan")


def standard_error(values: Sequence[float]) -> float:
    """Of their mean; nan where a single value says nothing of how they scatter."""
    if len(values) < 2:
        return float("nan")
    return statistics.stdev(values) / math.sqrt(len(values))


def missed_slots(series_with: Mapping[int, int], series: int, due_each: int) -> int:
    """Ticks that should be there and are not.

    ``series_with``: how many of all ``series`` (website and region) have n >= 1 ticks, by n. Too
    many ticks of one website make up for none of another.
    """
    absent = series - sum(series_with.values())
    short = sum((due_each - n) * count for n, count in series_with.items() if n < due_each)
    return short + absent * due_each


def per_check(before: Mapping[str, int], after: Mapping[str, int], checks: int) -> dict[str, float]:
    """Microseconds of CPU a check, by process."""
    return {name: (after[name] - before[name]) / max(checks, 1) for name in before}


def marginal(us_per_check: float, idle_us_per_s: float, checks_per_s: float) -> float:
    """CPU of one check more: without what the processes use when there is nothing to do."""
    return us_per_check - idle_us_per_s / checks_per_s
