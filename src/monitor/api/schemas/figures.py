"""What lists show with `include=uptime`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

Uptime = Annotated[
    float | None,
    Meta(
        description="Share of the measured seconds in which the website was up; null where none "
        "was measured. Pauses are left out."
    ),
]
P95 = Annotated[
    float | None,
    Meta(
        description="95th percentile of the response times in all regions in the 24 hours to "
        "`figures_at`, within 1.1 %; null where there were none."
    ),
]
_LETTERS = (
    "u up, d down, p partly down, n not measured, z paused, - not there yet. Any second of down "
    "makes it d or p; else it is what lasted longest."
)
Strip24h = Annotated[
    str, Meta(description=f"A letter for each half hour, the one that runs last: {_LETTERS}")
]
Strip90d = Annotated[str, Meta(description=f"A letter for each day of UTC, today last: {_LETTERS}")]

FIELDS: dict[str, Any] = {
    "uptime_24h": Uptime,
    "uptime_30d": Uptime,
    "uptime_90d": Uptime,
    "p95_24h_ms": P95,
    "strip_24h": Strip24h,
    "strip_90d": Strip90d,
}
