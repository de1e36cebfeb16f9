"""What a caller may ask of a list of websites: how it is sorted, and what it shows besides."""

from __future__ import annotations

from enum import StrEnum


class Sort(StrEnum):
    """How a list is sorted, each in the direction that people look for; then by id."""

    NAME = "name"
    """By name; the case of ASCII letters does not matter."""
    CHANGED = "changed"
    """What went down, came back, was paused, resumed or no longer measured last comes first."""
    STATUS = "status"
    """Down, degraded, not measured, up, paused."""
    UPTIME_30D = "uptime_30d"
    """Lowest uptime first."""
    P95_24H_MS = "p95_24h_ms"
    """Slowest first."""


BY_FIGURES = frozenset({Sort.UPTIME_30D, Sort.P95_24H_MS})
"""Sorted by what is computed once an hour."""


class Include(StrEnum):
    """What a list shows besides."""

    UPTIME = "uptime"
