"""How many files and sockets this process may have open."""

from __future__ import annotations

import resource


def allow_many() -> int:
    """Raise the soft limit to the hard one, as each socket is a file, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
