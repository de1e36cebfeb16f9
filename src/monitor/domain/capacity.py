"""Capacity of workers: the load of one process, and the sum over a region."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

ENOUGH_CHECKS = 100
"""With fewer checks in a span, the capacity cannot be estimated."""


class Work(Struct, frozen=True):
    """The work of a process up to an instant, in totals since its start.

    ``at_s``: any monotonic clock. ``cpu_s``: of all its threads. ``message_s``: held by messages,
    summed over its threads. ``check_s``: spent in checks, summed over all of them.
    """

    at_s: float
    checks: int
    cpu_s: float
    message_s: float
    check_s: float


class WorkerLimits(Struct, frozen=True):
    """How many messages and checks one process can run at once."""

    threads: int
    concurrency: int


class Load(Struct, frozen=True):
    """Checks per second, the utilisation of the scarcest resource (1.0: all of it), and the checks
    per second that would use all of it; None where there were too few checks to tell.
    """

    checks_per_s: float
    utilisation: float
    capacity_per_s: float | None


class RegionLoad(Struct, frozen=True):
    """The sum of the loads of a region's processes; ``utilisation`` is their mean, or 0.0.

    A process with an unknown capacity counts as the mean of the others; None where all are
    unknown.
    """

    processes: int
    concurrency: int
    checks_per_s: float
    utilisation: float
    capacity_per_s: float | None


def load_between(first: Work, last: Work, limits: WorkerLimits) -> Load:
    """The load of a process between two instants.

    Its event loop has one core, its messages have ``threads`` threads, its checks ``concurrency``
    slots. The resource closest to exhaustion limits the process.
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
    measurable = checks >= ENOUGH_CHECKS and busy > 0
    return Load(checks / span_s, busy, checks / span_s / busy if measurable else None)


def add_up(loads: Sequence[tuple[WorkerLimits, Load]]) -> RegionLoad:
    """Sum the processes of a region."""
    capacities = [load.capacity_per_s for _, load in loads if load.capacity_per_s is not None]
    return RegionLoad(
        processes=len(loads),
        concurrency=sum(limits.concurrency for limits, _ in loads),
        checks_per_s=sum(load.checks_per_s for _, load in loads),
        utilisation=sum(load.utilisation for _, load in loads) / len(loads) if loads else 0.0,
        capacity_per_s=sum(capacities) / len(capacities) * len(loads) if capacities else None,
    )
