"""Times in responses."""

from __future__ import annotations

import datetime as dt


def from_unix(unix_s: int) -> dt.datetime:
    """Unix seconds as a time in UTC."""
    return dt.datetime.fromtimestamp(unix_s, dt.UTC)
