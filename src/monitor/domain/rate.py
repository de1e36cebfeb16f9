"""How often somebody may do something: a bucket that fills evenly (GCRA, ITU-T I.371). Pure.

All that is kept is when the bucket is full again: one number, wherever it is kept.
"""

from __future__ import annotations

import math

from msgspec import Struct

PERIOD_S = 60

SLACK = 0.001
"""Of a time: sums of intervals are not exact."""


class Standing(Struct, frozen=True):
    """Whether this time is allowed, how many more would be at once, in how many seconds the bucket
    is full, and in how many the next one is allowed (0: now)."""

    allowed: bool
    remaining: int
    full_in_s: float
    next_in_s: float


def standing(limit: int, *, allowed: bool, full_in_s: float) -> Standing:
    """Where one stands that may do something ``limit`` times a minute, after this time."""
    interval_s = PERIOD_S / limit
    left = max(int((PERIOD_S - full_in_s) / interval_s + SLACK), 0)
    wait_s = 0.0 if left else full_in_s + interval_s - PERIOD_S
    return Standing(allowed, left, full_in_s, max(wait_s, 0.0))


def spend(limit: int, full_at_s: float, now_s: float) -> tuple[Standing, float]:
    """One time more, and when the bucket is full after it."""
    full_s = max(full_at_s, now_s)
    interval_s = PERIOD_S / limit
    after_s = full_s + interval_s
    allowed = after_s - now_s <= PERIOD_S + SLACK * interval_s
    full_s = after_s if allowed else full_s
    return standing(limit, allowed=allowed, full_in_s=full_s - now_s), full_s


def headers(limit: int, now: Standing) -> dict[str, str]:
    """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10)."""
    return {
        "RateLimit-Policy": f'"key";q={limit};w={PERIOD_S}',
        "RateLimit": f'"key";r={now.remaining};t={math.ceil(now.full_in_s)}',
    }
