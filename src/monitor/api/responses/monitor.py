"""Responses with results: latest statuses, series and downtimes."""

from __future__ import annotations

import datetime as dt

from monitor.api.responses.times import from_unix
from monitor.api.schemas import monitor as schemas
from monitor.domain.availability import Interval, State
from monitor.domain.series import Bucket
from monitor.services.incidents import downtime
from monitor.services.websites import latest as latest_status
from monitor.services.websites.latest import RegionView, View
from monitor.services.websites.series import RegionSeries, Series
from monitor.storage.postgres.history import Incident


def latest(view: View) -> schemas.Latest:
    """The status of a website, by region."""
    website = view.stored.website
    return schemas.Latest(
        id=website.id,
        url=website.check.url,
        name=website.name,
        status=view.status,
        since=latest_status.since(view),
        regions=[_region_latest(r) for r in view.regions],
    )


def _region_latest(view: RegionView) -> schemas.RegionLatest:
    state = view.state
    return schemas.RegionLatest(
        region=view.region,
        verdict=state.verdict,
        last_checked_at=from_unix(state.slot_s) if state.slot_s else None,
        response_ms=_rounded(state.response_ms),
        reason=state.reason,
        status_code=state.status_code or None,
        fresh=view.fresh,
    )


def series(chart: Series) -> schemas.WebsiteSeries:
    """The chart of a website."""
    return schemas.WebsiteSeries(
        website_id=chart.website.id,
        days=chart.days,
        bucket_s=chart.plan.width_s,
        since=from_unix(chart.plan.since_s),
        until=from_unix(chart.plan.until_s),
        series=[_region_series(s) for s in chart.regions],
    )


def _region_series(region: RegionSeries) -> schemas.RegionSeries:
    uptime = schemas.UptimeSummary(
        region.uptime.checks,
        _rounded(region.uptime.up_ratio, 6),
        _rounded(region.uptime.measured_ratio, 6),
    )
    points = [_point(b) for b in region.buckets]
    return schemas.RegionSeries(region.region, uptime, points, [_gap(g) for g in region.gaps])


def _gap(part: Interval) -> schemas.ChartGap:
    why = schemas.Why.PAUSED if part.state is State.EXCLUDED else schemas.Why.NOT_MEASURED
    return schemas.ChartGap(from_unix(part.since_s), from_unix(part.until_s), why)


def _point(bucket: Bucket) -> schemas.Point:
    times = schemas.ResponseTimes(
        _rounded(bucket.mean_ms), _rounded(bucket.p95_ms), _rounded(bucket.max_ms)
    )
    up_ratio = round(bucket.up / bucket.checks, 6)
    return schemas.Point(from_unix(bucket.start_s), bucket.checks, up_ratio, times)


def incident(stored: Incident, now_s: float) -> schemas.Downtime:
    """A downtime as of now."""
    now = dt.datetime.fromtimestamp(now_s, dt.UTC)
    return schemas.Downtime(
        id=stored.id,
        started_at=stored.started_at,
        resolved_at=stored.resolved_at,
        duration_s=downtime.duration_s(stored, now),
        cause=stored.cause,
        status_code=stored.status_code or None,
        evidence=stored.evidence,
        regions=list(stored.regions),
        resolution=stored.resolution,
    )


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
