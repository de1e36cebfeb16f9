"""How full a disk is, in words."""

from __future__ import annotations

import shutil
from pathlib import Path


def fullness(directory: Path) -> str | None:
    """The fill of the file system that holds a directory; None where that cannot be read."""
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        return None
    share = 100 * (usage.total - usage.free) / max(usage.total, 1)
    free_mb, total_gb = usage.free / 1e6, usage.total / 1e9
    return f"{share:.0f} % of {total_gb:.1f} GB are used, {free_mb:.0f} MB are left"
