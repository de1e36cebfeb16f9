"""When to try a failed delivery again. Pure."""

from __future__ import annotations

FIRST_RETRY_S = 5
LONGEST_RETRY_S = 900
GIVE_UP_AFTER_S = 48 * 3600


def retry_after(attempts: int) -> int:
    """Seconds to wait after this many failed attempts: 5, 10, 20 ... at most 15 minutes."""
    return min(FIRST_RETRY_S << min(max(attempts - 1, 0), 16), LONGEST_RETRY_S)


def give_up(age_s: float) -> bool:
    """Whether a notification of this age is news to nobody any more."""
    return age_s > GIVE_UP_AFTER_S
