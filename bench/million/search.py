"""The most websites with which a promise holds, by as few trials as need be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_STEP = 1000
"""Numbers of websites are whole thousands."""
_BELOW = 0.8
"""Where the fewest so far were too many, so much of them is tried."""
_HEADROOM = 0.97
"""Of the number for which all cores would be just enough."""
_MOST_AT_ONCE = 3.0
"""A trial with few websites says little of how many a machine can hold."""


@dataclass(frozen=True)
class Trial:
    """One number of websites: whether it held, and how many of the cores were busy meanwhile."""

    held: bool
    busy_cores: float


def next_sites(trials: Mapping[int, Trial], cores: int, within: float) -> int | None:
    """What to try next, by number of websites; None once it is known as well as it should be.

    ``within``: so much more than the most that held may be the fewest that did not, 0.1 is a tenth.
    """
    held = [sites for sites, trial in trials.items() if trial.held]
    failed = [sites for sites, trial in trials.items() if not trial.held]
    if held and failed:
        low, high = max(held), min(failed)
        middle = _whole((low + high) / 2)
        return middle if high > low * (1 + within) and low < middle < high else None
    if held:
        most = max(held)
        full = most * cores / max(trials[most].busy_cores, cores / _MOST_AT_ONCE) * _HEADROOM
        return max(_whole(max(full, most * (1 + within))), most + _STEP)
    fewest = min(failed)
    return min(_whole(fewest * _BELOW), fewest - _STEP) if fewest > _STEP else None


def most_held(trials: Mapping[int, Trial]) -> int | None:
    """The most websites that held where no fewer failed; None where none did."""
    failed = [sites for sites, trial in trials.items() if not trial.held]
    held = [s for s, t in trials.items() if t.held and s < min(failed, default=s + 1)]
    return max(held, default=None)


def _whole(sites: float) -> int:
    return max(round(sites / _STEP), 1) * _STEP
