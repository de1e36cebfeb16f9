"""Regions as they go over the wire."""

from __future__ import annotations

from msgspec.structs import asdict

from monitor.api.responses.times import from_unix
from monitor.api.schemas import region as schemas
from monitor.services.workers.regions import ReportedRegion


def region(seen: ReportedRegion) -> schemas.Region:
    """A region, and what it said of itself."""
    return schemas.Region(
        **asdict(seen.region),
        last_seen_at=from_unix(seen.report.seen_at_s) if seen.report else None,
        network=seen.report.network if seen.report else None,
    )
