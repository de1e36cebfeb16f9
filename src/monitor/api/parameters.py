"""The query parameters that several routes share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from litestar.params import HeaderParameter, QueryParameter

from monitor.domain.status import Status
from monitor.resources.bulk_import import MAX_KEY_LENGTH, LineResult
from monitor.resources.cursors import MAX_CURSOR_LENGTH

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="Items on a page, at most.")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        max_length=MAX_CURSOR_LENGTH,
        description="The next_cursor of the page before, with the same filters.",
    ),
]
RegionFilter = Annotated[
    str | None, QueryParameter(max_length=32, description="Checked from this region.")
]
StatusFilter = Annotated[
    Status | None,
    QueryParameter(
        description="Of this status. As a status is worked out and not stored, a page may then "
        "hold fewer items than `limit`, even none, and still have a next_cursor: at most 10,000 "
        "websites are looked at for one page."
    ),
]
PausedFilter = Annotated[bool | None, QueryParameter(description="Paused, or not.")]
TextFilter = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=255, description="Part of the URL or the name, in any case."
    ),
]
Days = Annotated[int, QueryParameter(ge=1, le=90, description="How far back, to now.")]
SeriesRegion = Annotated[
    str | None, QueryParameter(max_length=32, description="This region alone.")
]
Force = Annotated[
    bool, QueryParameter(description="Remove it although websites are checked from it.")
]


class Format(StrEnum):
    """The forms of an export."""

    NDJSON = "ndjson"
    CSV = "csv"


ExportFormat = Annotated[Format, QueryParameter(description="A JSON object a line, or CSV.")]
DryRun = Annotated[
    bool, QueryParameter(description="Say what would become of every line, and change nothing.")
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="1 to 255 printable ASCII characters that no other import of the last 7 days "
        "was sent with, by whatever API key.",
    ),
]
ImportKey = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="The import that was sent with this Idempotency-Key.",
    ),
]
Only = Annotated[LineResult | None, QueryParameter(description="Lines that came out so, alone.")]
