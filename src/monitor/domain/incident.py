"""Whether a website is down, by quorum of fresh verdicts. Pure."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from msgspec import Struct

from monitor.domain.outcome import Reason


class Event(StrEnum):
    """The events of an incident that its recipients are notified of."""

    OPENED = "opened"
    RESOLVED = "resolved"


class Recipient(Struct, frozen=True):
    """Who is told over which channel; ``address`` is in the channel's own notation."""

    channel: str
    address: str


class Resolution(StrEnum):
    """Why an incident ended."""

    RECOVERED = "recovered"
    PAUSED = "paused"


class DownVerdict(Struct, frozen=True):
    """A region's verdict that the website has been down since ``at_s``, and why."""

    region: str
    at_s: int
    reason: Reason
    status_code: int = 0
    evidence: str = ""


class Opening(Struct, frozen=True):
    """An incident to open: its start, its cause, and the regions with a down verdict."""

    started_at_s: int
    cause: DownVerdict
    regions: tuple[str, ...]


def quorum_down(fresh: Collection[str], down: Collection[str]) -> bool | None:
    """Whether more than half of the regions with fresh verdicts have the website as down.

    None where no region has a fresh verdict: not measured is neither up nor down.
    """
    if not fresh:
        return None
    return 2 * len(set(down) & set(fresh)) > len(set(fresh))


def opening(fresh: Collection[str], verdicts: Collection[DownVerdict]) -> Opening | None:
    """The incident that these verdicts open, or None without a quorum.

    It starts with the first failure in the region that completed the quorum.
    """
    counted = sorted((v for v in verdicts if v.region in fresh), key=lambda v: (v.at_s, v.region))
    if not quorum_down(fresh, [v.region for v in counted]):
        return None
    deciding = counted[len(set(fresh)) // 2]
    return Opening(deciding.at_s, counted[0], tuple(sorted(v.region for v in counted)))
