"""Schemas of single checks."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from monitor.domain.outcome import CheckResult, Reason


class Phases(Struct):
    """Milliseconds spent in each phase, summed over redirects; 0 where a phase did not happen."""

    dns: float
    connect: float
    tls: float
    wait: float
    transfer: float


class Check(Struct, kw_only=True):
    """A check, or a gap: then ``until`` says where it ends, and all that a check says is null.

    ``slot``: when it was due; of a gap, when the first of its checks was. ``began_at``: null for a
    check that began within a second of its slot. ``out_of_turn``: it fills no slot, as it was made
    again at once, or after a change. ``address``: of a check that failed, where it was connected,
    or connecting, to. ``response_ms``: null without a response. ``dns_shared``: another check of
    the slot had looked the name up, so that the phase dns is not this check's.
    """

    result: CheckResult
    region: str
    slot: dt.datetime
    until: dt.datetime | None
    began_at: dt.datetime | None
    out_of_turn: bool
    reason: Reason | None
    status_code: int | None
    address: str | None
    response_ms: float | None
    phases_ms: Phases | None
    dns_shared: bool


class ChecksPage(Struct):
    """Checks and gaps, newest first. ``next_cursor`` is null on the last page."""

    items: list[Check]
    next_cursor: str | None
