"""What a check costs with more websites, of stacks that did the same at the same time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

from bench import figures
from bench.watch import ours, total

_HOUR_S, _ROLL_UP_S = 3600, 300

Minutes = Sequence[Mapping[str, float]]
"""CPU us a second by process, in each of a few minutes."""


@dataclass(frozen=True)
class Spent:
    """One stack: what its processes used idle, and then checking. ``idle`` and ``at_work`` are of
    the same moments in all stacks. ``checks``: while at work. ``lags_s``: of each batch."""

    sites: int
    interval_s: int
    idle: Minutes
    at_work: Minutes
    checks: int
    seconds: float
    lags_s: Sequence[float]


def roll_up_due(before_s: float) -> float:
    """When the last roll-up of an hour before this moment was due: five past, Unix seconds."""
    return (before_s - _ROLL_UP_S) // _HOUR_S * _HOUR_S + _ROLL_UP_S


def sizes(found: Sequence[Spent]) -> list[dict[str, Any]]:
    """Of each, a check's cost with idling and without, and how much more that is than where there
    are fewest websites, in us and with its standard error."""
    return [_size(spent, found[0]) for spent in found]


def told(size: Mapping[str, Any]) -> str:
    """One of the sizes in a line."""
    shares = ", ".join(
        f"{n} {us:.0f}" for n, us in size["marginal_us_by_process"].items() if abs(us) >= 0.5
    )
    return (
        f"side by side, {size['sites']} websites: {size['checks_per_s']:.1f} checks/s, "
        f"{size['marginal_us_per_check']:.0f} us each without idling ({shares})"
    )


def _size(spent: Spent, fewest: Spent) -> dict[str, Any]:
    rate = spent.checks / spent.seconds
    marginal = {
        name: (us - idle) / rate
        for (name, us), idle in zip(
            _means(spent.at_work).items(), _means(spent.idle).values(), strict=True
        )
    }
    return {
        "sites": spent.sites,
        "interval_s": spent.interval_s,
        "checks_per_s": round(rate, 2),
        "us_per_check": round(sum(_means(spent.at_work).values()) / rate, 1),
        "marginal_us_per_check": round(sum(marginal.values()), 1),
        "error_us": round(_error_us_per_s(spent, fewest) / rate, 1),
        "marginal_us_by_process": {name: round(us, 1) for name, us in marginal.items()},
        "lag_p99_s": round(figures.percentile(spent.lags_s, 99), 3),
    }


def _means(minutes: Minutes) -> dict[str, float]:
    """By process of ours."""
    return {n: sum(each[n] for each in minutes) / len(minutes) for n in minutes[0] if ours(n)}


def _error_us_per_s(spent: Spent, fewest: Spent) -> float:
    """Standard error of how much more one uses than the other: what slowed both down at the same
    moment is none."""
    pairs = ((spent.idle, fewest.idle), (spent.at_work, fewest.at_work))
    return hypot(*(figures.standard_error(_more(a, b)) for a, b in pairs))


def _more(one: Minutes, other: Minutes) -> list[float]:
    return [total(a) - total(b) for a, b in zip(one, other, strict=True)]
