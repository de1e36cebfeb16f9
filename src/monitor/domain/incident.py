"""Whether a website is down, by quorum of fresh verdicts. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from monitor.domain.outcome import Reason


class Event(StrEnum):
    """The events of an incident that its recipients are notified of."""

    OPENED = "opened"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Recipient(Struct, frozen=True):
    """Who is told over which channel; ``address`` is in the channel's own notation."""

    channel: str
    address: str


class Resolution(StrEnum):
    """Why an incident ended."""

    RECOVERED = "recovered"
    PAUSED = "paused"
    REGION_REMOVED = "region_removed"


class Closing(StrEnum):
    """Why an incident was closed: it ended, and nobody saw its website recover."""

    PAUSED = "paused"
    DELETED = "deleted"
    REGION_REMOVED = "region_removed"


class ClosedIncident(Struct, frozen=True, kw_only=True):
    """A closed incident, as its recipients are told of it: its website may be gone by then.

    ``regions``: those that held the website down when it opened and no longer check it.
    ``opened_notification_id`` is the notification that told this recipient of its beginning, and
    ``opened_message_id`` the channel's name for that message, if known.
    """

    incident_id: UUID
    website_id: UUID
    website_name: str
    url: str
    started_at: dt.datetime
    cause: Reason
    status_code: int
    regions: tuple[str, ...]
    opened_notification_id: UUID
    opened_message_id: str | None = None


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


def lost_regions(before: Collection[str], regions: Collection[str]) -> set[str]:
    """The regions that held a website down when its incident opened and no longer check it."""
    return set(before) - set(regions)
