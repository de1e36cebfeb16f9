"""When a website is down: by quorum of fresh verdicts. Pure."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from msgspec import Struct

from monitor.domain.outcome import Reason


class Event(StrEnum):
    """What of an incident is told to its recipients."""

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
    """A region that holds the website down since ``at_s``, and why."""

    region: str
    at_s: int
    reason: Reason
    status_code: int = 0
    evidence: str = ""


class Opening(Struct, frozen=True):
    """An incident to open: when it began, the cause to name, and the regions that see it."""

    started_at_s: int
    cause: DownVerdict
    regions: tuple[str, ...]


def quorum_down(fresh: Collection[str], down: Collection[str]) -> bool | None:
    """Whether more than half of the regions with fresh verdicts hold the website down.

    None where no region has a fresh verdict: not measured is neither up nor down.
    """
    if not fresh:
        return None
    return 2 * len(set(down) & set(fresh)) > len(set(fresh))


def opening(fresh: Collection[str], verdicts: Collection[DownVerdict]) -> Opening | None:
    """The incident these verdicts make, or None where there is no quorum.

    It started when the region that completed the quorum first saw a failure.
    """
    held = sorted((v for v in verdicts if v.region in fresh), key=lambda v: (v.at_s, v.region))
    if not quorum_down(fresh, [v.region for v in held]):
        return None
    deciding = held[len(set(fresh)) // 2]
    return Opening(deciding.at_s, held[0], tuple(sorted(v.region for v in held)))
