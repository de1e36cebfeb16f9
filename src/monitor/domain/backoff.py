"""Backoff of failed deliveries. Pure."""

from __future__ import annotations

FIRST_RETRY_S = 5
MAX_RETRY_S = 900
GIVE_UP_AFTER_S = 48 * 3600


def retry_after(attempts: int) -> int:
    """Seconds to wait after this many failed attempts: 5, 10, 20 ... up to 15 minutes."""
    return min(FIRST_RETRY_S << min(max(attempts - 1, 0), 16), MAX_RETRY_S)


def give_up(age_s: float) -> bool:
    """Whether a notification of this age is too old to deliver."""
    return age_s > GIVE_UP_AFTER_S
