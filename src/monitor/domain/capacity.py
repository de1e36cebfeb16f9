"""What workers can do: how busy one was in a span of time, and what a region's add up to."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

ENOUGH_CHECKS = 100
"""Fewer checks in a span say nothing of how many there could have been."""


class Work(Struct, frozen=True):
    """What a worker process had done by an instant, in totals since it began.

    ``at_s``: any steady clock. ``cpu_s``: of all its threads. ``message_s``: held by messages,
    summed over its threads. ``check_s``: spent in checks, summed over all of them.
    """

    at_s: float
    checks: int
    cpu_s: float
    message_s: float
    check_s: float


class Limits(Struct, frozen=True):
    """What one process has of each: messages and checks that may be under way at once."""

    threads: int
    concurrency: int


class Load(Struct, frozen=True):
    """Checks a second, the busy share of what is scarcest (1.0: all of it), and checks a second
    that would take all of it; None where too little was done to tell.
    """

    checks_per_s: float
    utilisation: float
    capacity_per_s: float | None


class RegionLoad(Struct, frozen=True):
    """The loads of a region's processes added up; ``utilisation`` is their mean, 0.0 without any.

    A process whose capacity is not known yet counts as the mean of those that are. None: of none.
    """

    processes: int
    concurrency: int
    checks_per_s: float
    utilisation: float
    capacity_per_s: float | None


def load_between(first: Work, last: Work, limits: Limits) -> Load:
    """How busy a process was between two instants.

    Its event loop has one core, its messages ``threads`` places, its checks ``concurrency``:
    the one that is nearest to used up is what would stop it.
    """
    span_s = last.at_s - first.at_s
    if span_s <= 0:
        return Load(0.0, 0.0, None)
    checks = last.checks - first.checks
    busy = max(
        (last.cpu_s - first.cpu_s) / span_s,
        (last.message_s - first.message_s) / (span_s * limits.threads),
        (last.check_s - first.check_s) / (span_s * limits.concurrency),
    )
    known = checks >= ENOUGH_CHECKS and busy > 0
    return Load(checks / span_s, busy, checks / span_s / busy if known else None)


def add_up(loads: Sequence[tuple[Limits, Load]]) -> RegionLoad:
    """A region's processes as one."""
    known = [load.capacity_per_s for _, load in loads if load.capacity_per_s is not None]
    return RegionLoad(
        processes=len(loads),
        concurrency=sum(limits.concurrency for limits, _ in loads),
        checks_per_s=sum(load.checks_per_s for _, load in loads),
        utilisation=sum(load.utilisation for _, load in loads) / len(loads) if loads else 0.0,
        capacity_per_s=sum(known) / len(known) * len(loads) if known else None,
    )
