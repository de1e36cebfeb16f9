"""A website as its owner describes it, and what of it a check needs to know."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct, field

MIN_CHECK_FREQUENCY_S, MAX_CHECK_FREQUENCY_S = 30, 86_400
MIN_REQUEST_TIMEOUT_S, MAX_REQUEST_TIMEOUT_S = 1, 60

HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

StatusRanges = tuple[tuple[int, int], ...]
"""Inclusive ranges of HTTP status codes, sorted, not overlapping."""

DEFAULT_STATUS_RANGES: StatusRanges = ((200, 399),)


class CheckOptions(Struct, frozen=True, omit_defaults=True):
    """How to check a website. Times in seconds. Field names follow the API."""

    url: str
    check_frequency: int = 180
    request_timeout: int = 15
    http_method: str = "GET"
    request_headers: dict[str, str] = field(default_factory=dict)
    request_body: str = ""
    expected_status_codes: StatusRanges = DEFAULT_STATUS_RANGES
    follow_redirects: bool = True
    verify_ssl: bool = True


class Sealed(Struct, frozen=True, omit_defaults=True):
    """Request headers and body encrypted, each a Fernet token; empty: there is nothing to hide,
    or it is stored in the clear."""

    headers: str = ""
    body: str = ""


NOTHING_SEALED = Sealed()


class Definition(Struct, frozen=True, omit_defaults=True):
    """What region workers know of a website: how to check it, from which regions (None: all).

    What is ``sealed`` is left out of ``check``.
    """

    check: CheckOptions
    regions: tuple[str, ...] | None = None
    sealed: Sealed | None = None


class Projected(Struct, frozen=True):
    """A website as it should stand in the projection; no definition: gone, or paused."""

    website_id: UUID
    definition: Definition | None


class Website(Struct, frozen=True, kw_only=True):
    """A website as stored. ``regions`` None means every region, those to come among them.

    Of what is ``sealed``, ``check`` holds what may be shown.
    """

    id: UUID
    name: str
    check: CheckOptions
    regions: tuple[str, ...] | None
    paused_at: dt.datetime | None
    alert_emails: tuple[str, ...]
    external_id: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    sealed: Sealed = NOTHING_SEALED


class Region(Struct, frozen=True):
    """A place that checks run from."""

    name: str
    description: str
    created_at: dt.datetime
    updated_at: dt.datetime


def status_expected(code: int, ranges: StatusRanges) -> bool:
    return any(lo <= code <= hi for lo, hi in ranges)
