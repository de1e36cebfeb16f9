"""Responses with single checks."""

from __future__ import annotations

import datetime as dt

from monitor.api.responses.times import from_unix
from monitor.api.schemas import checks as schemas
from monitor.domain.outcome import CheckResult, Tick, Timings
from monitor.services.websites.checks import Item, RegionGap


def item(row: Item) -> schemas.Check:
    """A check or a gap."""
    return _gap(row) if isinstance(row, RegionGap) else _check(row)


def _check(tick: Tick) -> schemas.Check:
    began_at = tick.began_at_s and dt.datetime.fromtimestamp(round(tick.began_at_s, 3), dt.UTC)
    return schemas.Check(
        result=CheckResult.UP if tick.up else CheckResult.DOWN,
        region=tick.region,
        slot=from_unix(tick.slot_s),
        until=None,
        began_at=began_at or None,
        out_of_turn=tick.out_of_turn,
        reason=tick.reason,
        status_code=tick.status_code or None,
        address=tick.address or None,
        response_ms=None if tick.response_ms is None else round(tick.response_ms, 3),
        phases_ms=_phases(tick.timings),
        dns_shared=tick.timings.dns_shared,
    )


def _phases(t: Timings) -> schemas.Phases:
    phases_ms = (t.dns_ms, t.connect_ms, t.tls_ms, t.wait_ms, t.transfer_ms)
    return schemas.Phases(*(round(ms, 3) for ms in phases_ms))


def _gap(row: RegionGap) -> schemas.Check:
    return schemas.Check(
        result=CheckResult.NOT_MEASURED,
        region=row.region,
        slot=from_unix(row.gap.since_s),
        until=from_unix(row.gap.until_s),
        began_at=None,
        out_of_turn=False,
        reason=None,
        status_code=None,
        address=None,
        response_ms=None,
        phases_ms=None,
        dns_shared=False,
    )
