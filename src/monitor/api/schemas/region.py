"""What goes over the wire about regions."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from monitor.resources.fields import change_struct, new_struct
from monitor.resources.region import REGION_FIELDS

NewRegion = new_struct("NewRegion", list(REGION_FIELDS.values()), "A place to check from.")
RegionChange = change_struct(
    "RegionChange",
    [REGION_FIELDS["description"]],
    "What to change of a region; its name stays.",
)


class Region(Struct, kw_only=True):
    """A region. ``last_seen_at``: when it last finished a batch of checks, ``network``: "ok", or
    "lost" where it measures nothing because it has no network; null: never, or not known now."""

    name: str
    description: str
    created_at: dt.datetime
    updated_at: dt.datetime
    last_seen_at: dt.datetime | None
    network: str | None


class RegionPage(Struct):
    """Regions by name, and the cursor of the next page; null on the last."""

    items: list[Region]
    next_cursor: str | None
