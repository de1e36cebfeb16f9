"""Responses about regions."""

from __future__ import annotations

from msgspec.structs import asdict

from monitor.api.responses.times import from_unix
from monitor.api.schemas import region as schemas
from monitor.services.workers.regions import ReportedRegion


def region(reported: ReportedRegion) -> schemas.Region:
    """A region and its latest report."""
    return schemas.Region(
        **asdict(reported.region),
        last_seen_at=from_unix(reported.report.seen_at_s) if reported.report else None,
        network=reported.report.network if reported.report else None,
    )
