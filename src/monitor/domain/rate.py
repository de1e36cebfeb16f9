"""Rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371). Pure.

All that is stored per limit is its theoretical arrival time (TAT), wherever that is kept.
"""

from __future__ import annotations

import math

from msgspec import Struct

PERIOD_S = 60

SLACK = 0.001
"""In intervals: sums of intervals are not exact."""


class RateLimitState(Struct, frozen=True):
    """Whether this request is allowed, how many more are allowed at once, in how many seconds all
    of the limit is available again, and in how many the next request is allowed (0: now)."""

    allowed: bool
    remaining: int
    full_in_s: float
    next_in_s: float


def state_of(limit: int, *, allowed: bool, full_in_s: float) -> RateLimitState:
    """The state of a limit of ``limit`` requests a minute after this request."""
    interval_s = PERIOD_S / limit
    remaining = max(int((PERIOD_S - full_in_s) / interval_s + SLACK), 0)
    wait_s = 0.0 if remaining else full_in_s + interval_s - PERIOD_S
    return RateLimitState(allowed, remaining, full_in_s, max(wait_s, 0.0))


def acquire(limit: int, tat_s: float, now_s: float) -> tuple[RateLimitState, float]:
    """Ask for one request; returns the state and the new theoretical arrival time."""
    tat_s = max(tat_s, now_s)
    interval_s = PERIOD_S / limit
    next_tat_s = tat_s + interval_s
    allowed = next_tat_s - now_s <= PERIOD_S + SLACK * interval_s
    tat_s = next_tat_s if allowed else tat_s
    return state_of(limit, allowed=allowed, full_in_s=tat_s - now_s), tat_s


def headers(limit: int, state: RateLimitState) -> dict[str, str]:
    """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10)."""
    return {
        "RateLimit-Policy": f'"key";q={limit};w={PERIOD_S}',
        "RateLimit": f'"key";r={state.remaining};t={math.ceil(state.full_in_s)}',
    }
