"""Schemas of regions."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from monitor.resources.fields import change_struct, new_struct
from monitor.resources.region import REGION_FIELDS

NewRegion = new_struct("NewRegion", list(REGION_FIELDS.values()), "A region to create.")
RegionChange = change_struct(
    "RegionChange",
    [REGION_FIELDS["description"]],
    "Changes to a region; its name cannot change.",
)


class Region(Struct, kw_only=True):
    """A region. ``last_seen_at``: when it last finished a batch of checks. ``network``: "ok", or
    "lost" if it measures nothing because its network is down. Both are null if unknown."""

    name: str
    description: str
    created_at: dt.datetime
    updated_at: dt.datetime
    last_seen_at: dt.datetime | None
    network: str | None


class RegionPage(Struct):
    """Regions by name. ``next_cursor`` is null on the last page."""

    items: list[Region]
    next_cursor: str | None
