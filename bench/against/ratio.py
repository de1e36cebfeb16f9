"""The ratio of two medians, and how far chance may have moved it. Pure."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LIMIT = 1.03
"""A check may cost so many times what it did."""
_DRAWS = 10_000
_SEED = 15
_ENOUGH = 10
"""Windows: with fewer the error is a guess."""


@dataclass(frozen=True)
class Ratio:
    """``value``: the working tree's median, ``new``, over the commit's, ``old``.

    ``low``, ``high``: its 95 % interval.
    """

    value: float
    low: float
    high: float
    new: float
    old: float

    @property
    def error(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


def of_medians(new: Sequence[float], old: Sequence[float]) -> Ratio:
    """Of windows in turn: ``old[i]`` and ``old[i + 1]`` were measured just before and just after
    ``new[i]``.

    The interval is a percentile bootstrap. Each draw takes as many windows of the working tree
    as there are, with replacement, and with each of them the two of the commit beside it, and has
    the ratio of the medians of what was drawn. Neighbours stay together, so what made the machine
    slow for both of them is not taken for a difference between them. The same figures always
    have the same interval. Raises ValueError unless there is one ``old`` more than ``new``.
    """
    if not new or len(old) != len(new) + 1:
        raise ValueError(f"{len(new)} windows need {len(new) + 1} around them, not {len(old)}.")
    chance = random.Random(_SEED)
    drawn = sorted(_drawn(new, old, chance) for _ in range(_DRAWS))
    tail = _DRAWS // 40
    new_median, old_median = statistics.median(new), statistics.median(old)
    return Ratio(
        new_median / old_median, drawn[tail], drawn[-tail - 1], new=new_median, old=old_median
    )


def _drawn(new: Sequence[float], old: Sequence[float], chance: random.Random) -> float:
    picked = chance.choices(range(len(new)), k=len(new))
    beside = [old[i] for i in picked] + [old[i + 1] for i in picked]
    return statistics.median([new[i] for i in picked]) / statistics.median(beside)


def verdict(ratio: Ratio, windows: int) -> str:
    """Whether the working tree stays within the limit, in a sentence."""
    percent = f"{100 * (LIMIT - 1):.0f} %"
    told = f"Within {percent}" if ratio.value <= LIMIT else f"Not within {percent}"
    if windows < _ENOUGH:
        return f"{told}, but {windows} windows are a trial: {_ENOUGH} are needed to judge."
    if ratio.low <= LIMIT < ratio.high:
        return f"{told}, but the error reaches across: more WINDOWS would tell."
    return f"{told}."
