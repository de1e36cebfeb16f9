"""The one status of a website that people see. Pure."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

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
    """One word for a website.

    ``states``: what its regions hold; ``fresh``: those of them with a verdict that still counts.
    Pending: no region has a verdict yet. Unknown: there were verdicts, and none of them is fresh.
    Down: an incident is open, or is about to be (more than half of the fresh verdicts say so).
    """
    if paused:
        return Status.PAUSED
    if fresh:
        down = sum(s.verdict is Verdict.DOWN for s in fresh)
        return Status.DOWN if incident_open or 2 * down > len(fresh) else Status.UP
    measured = any(s.verdict is not Verdict.UNKNOWN for s in states)
    return Status.UNKNOWN if measured or incident_open else Status.PENDING
