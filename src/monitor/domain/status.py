"""The status of a website as people see it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum, StrEnum

from monitor.domain.verdict import RegionState, Verdict


class Status(StrEnum):
    PENDING = "pending"
    UP = "up"
    DOWN = "down"
    PAUSED = "paused"
    UNKNOWN = "unknown"


def website_status(
    *,
    paused: bool,
    incident_open: bool,
    states: Collection[RegionState],
    fresh: Collection[RegionState],
) -> Status:
    """The status of a website.

    ``states``: those of its regions; ``fresh``: those with a fresh verdict. Pending: no region has
    a verdict yet. Unknown: there were verdicts, but none is fresh. Down: an incident is open or
    about to be, as more than half of the fresh verdicts are down.
    """
    if paused:
        return Status.PAUSED
    if fresh:
        down = sum(s.verdict is Verdict.DOWN for s in fresh)
        return Status.DOWN if incident_open or 2 * down > len(fresh) else Status.UP
    measured = any(s.verdict is not Verdict.UNKNOWN for s in states)
    return Status.UNKNOWN if measured or incident_open else Status.PENDING


class Standing(IntEnum):
    """How a website stands in a list sorted by status. The numbers are stored."""

    DOWN = 0
    DEGRADED = 1
    NOT_MEASURED = 2
    UP = 3
    """Also: not checked yet."""
    PAUSED = 4
