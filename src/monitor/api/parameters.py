"""Query parameters that several routes share, and what each one accepts."""

from __future__ import annotations

from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, get_args
from uuid import UUID

from litestar.params import HeaderParameter, QueryParameter
from litestar.typing import FieldDefinition

from monitor.domain.series import MAX_DAYS
from monitor.domain.status import Status
from monitor.resources.bulk_import import MAX_KEY_LENGTH, LineResult
from monitor.resources.cursors import MAX_CURSOR_LENGTH
from monitor.resources.website_list import Include, Sort

Limit = Annotated[
    int, QueryParameter(ge=1, le=1000, description="Maximum number of items per page.")
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        max_length=MAX_CURSOR_LENGTH,
        description="The `next_cursor` of the previous page; send the same filters and `sort`.",
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
SortOrder = Annotated[
    Sort | None,
    QueryParameter(
        description="How to sort; without it, in order of creation. `name`: A first, whatever the "
        "case of ASCII letters; `changed`: what went down, came back, was paused, resumed or no "
        "longer measured last comes first; `status`: down, degraded, not measured, up, paused; "
        "`uptime_30d`: lowest first, and `p95_24h_ms`: slowest first, both as of `figures_at`."
    ),
]
Included = Annotated[
    Include | None,
    QueryParameter(description="`uptime`: show uptimes, the p95 and the strips of each website."),
]
Days = Annotated[
    int | None,
    QueryParameter(ge=1, le=MAX_DAYS, description="How many days to go back from now. Default: 1."),
]
SeriesRegion = Annotated[str | None, QueryParameter(max_length=32, description="Only this region.")]
_TIME: dict[str, Any] = {"schema_extra": {"format": "date-time"}, "max_length": 40}
From = Annotated[
    str | None,
    QueryParameter(
        name="from",
        description="A time with its offset, or a date: its first second.",
        **_TIME,
    ),
]
To = Annotated[
    str | None,
    QueryParameter(
        name="to",
        description="A time with its offset, or a date: its last second. Default, and at most: "
        "now.",
        **_TIME,
    ),
]
Zone = Annotated[
    str | None,
    QueryParameter(
        max_length=64, description="The IANA time zone of dates, like Europe/Berlin. Default: UTC."
    ),
]
Force = Annotated[
    bool, QueryParameter(description="Remove the region even if websites are checked from it.")
]


RevokeKeys = Annotated[
    bool, QueryParameter(description="Also revoke the API keys that this person made.")
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


def query_name(parameter: FieldDefinition) -> str:
    """The name of a parameter in the query, where it may be a word that Python reserves."""
    definition: Any = parameter.kwarg_definition
    return getattr(definition, "name", None) or parameter.name


def allowed(parameter: FieldDefinition) -> str:
    """What the value of a parameter must be: completes a sentence that begins with its name."""
    annotation = parameter.annotation
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType] or [annotation]
    bounds: Any = parameter.kwarg_definition
    if kinds[0] is bool:
        return "must be true or false"
    if kinds[0] is int:
        return f"must be a whole number from {bounds.ge} to {bounds.le}"
    if kinds[0] is UUID:
        return "must be a UUID"
    if issubclass(kinds[0], StrEnum):
        return f"must be one of {', '.join(kinds[0])}"
    least = f"{bounds.min_length} to" if bounds.min_length else "at most"
    return f"must be a string of {least} {bounds.max_length} characters"
