"""Query parameters that several routes share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from litestar.params import HeaderParameter, QueryParameter

from monitor.domain.status import Status
from monitor.resources.bulk_import import MAX_KEY_LENGTH, LineResult
from monitor.resources.cursors import MAX_CURSOR_LENGTH

Limit = Annotated[
    int, QueryParameter(ge=1, le=1000, description="Maximum number of items per page.")
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        max_length=MAX_CURSOR_LENGTH,
        description="The `next_cursor` of the previous page; send the same filters.",
    ),
]
RegionFilter = Annotated[
    str | None, QueryParameter(max_length=32, description="Only websites checked from this region.")
]
StatusFilter = Annotated[
    Status | None,
    QueryParameter(
        description="Only websites with this status. Statuses are computed, not stored, so a page "
        "may hold fewer items than `limit`, even none, and still have a `next_cursor`: at most "
        "10,000 websites are examined per page."
    ),
]
PausedFilter = Annotated[
    bool | None, QueryParameter(description="Only paused websites, or only active ones.")
]
TextFilter = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=255,
        description="A part of the URL or the name; case does not matter.",
    ),
]
Days = Annotated[int, QueryParameter(ge=1, le=90, description="How many days to go back from now.")]
SeriesRegion = Annotated[str | None, QueryParameter(max_length=32, description="Only this region.")]
Force = Annotated[
    bool, QueryParameter(description="Remove the region even if websites are checked from it.")
]


class Format(StrEnum):
    """The formats of an export."""

    NDJSON = "ndjson"
    CSV = "csv"


ExportFormat = Annotated[Format, QueryParameter(description="One JSON object per line, or CSV.")]
DryRun = Annotated[
    bool, QueryParameter(description="Report the outcome of every line without changing anything.")
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="1 to 255 printable ASCII characters, unique among the imports of the last "
        "7 days, whichever API key they were sent with.",
    ),
]
ImportKey = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="Only the import that was sent with this Idempotency-Key.",
    ),
]
Only = Annotated[LineResult | None, QueryParameter(description="Only lines with this outcome.")]
