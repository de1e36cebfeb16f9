"""HTTP status codes that count as up. Pure."""

from __future__ import annotations

StatusRanges = tuple[tuple[int, int], ...]
"""Inclusive ranges of HTTP status codes, sorted, not overlapping."""

DEFAULT_STATUS_RANGES: StatusRanges = ((200, 399),)


def status_expected(code: int, ranges: StatusRanges) -> bool:
    """Whether a status code counts as up."""
    return any(lo <= code <= hi for lo, hi in ranges)
