"""Rate limits: a bucket that refills evenly (GCRA, ITU-T I.371). Pure.

All that is stored is the theoretical arrival time (TAT): when the bucket is full again.
"""

from __future__ import annotations

import math

from msgspec import Struct

PERIOD_S = 60

SLACK = 0.001
"""Share of an interval: sums of intervals are not exact."""


class RateLimitState(Struct, frozen=True):
    """What an attempt found: whether it is allowed, how many more would be at once, in how many
    seconds the bucket is full, and in how many the next one is allowed (0: now)."""

    allowed: bool
    remaining: int
    full_in_s: float
    next_in_s: float


def state_after(limit: int, *, allowed: bool, full_in_s: float) -> RateLimitState:
    """The state after an attempt, of a bucket for ``limit`` attempts a minute."""
    interval_s = PERIOD_S / limit
    left = max(int((PERIOD_S - full_in_s) / interval_s + SLACK), 0)
    wait_s = 0.0 if left else full_in_s + interval_s - PERIOD_S
    return RateLimitState(allowed, left, full_in_s, max(wait_s, 0.0))


def acquire(limit: int, tat_s: float, now_s: float) -> tuple[RateLimitState, float]:
    """One more attempt; returns the state and the TAT after it."""
    tat_s = max(tat_s, now_s)
    interval_s = PERIOD_S / limit
    after_s = tat_s + interval_s
    allowed = after_s - now_s <= PERIOD_S + SLACK * interval_s
    tat_s = after_s if allowed else tat_s
    return state_after(limit, allowed=allowed, full_in_s=tat_s - now_s), tat_s


def headers(limit: int, state: RateLimitState) -> dict[str, str]:
    """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10)."""
    return {
        "RateLimit-Policy": f'"key";q={limit};w={PERIOD_S}',
        "RateLimit": f'"key";r={state.remaining};t={math.ceil(state.full_in_s)}',
    }
