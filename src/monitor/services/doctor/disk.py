"""Whether there is space on the disk of the data directory."""

from __future__ import annotations

import shutil
from pathlib import Path

from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report

_REPORT = Report("disk")
_MIB = 2**20

FAILED_BELOW = 64 * _MIB
"""A new database takes about as much."""
WARNING_BELOW = 1024 * _MIB


def look(directory: Path) -> Finding:
    """The disk that holds this directory, which need not exist yet."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return judge(directory, shutil.disk_usage(existing).free)


def judge(directory: Path, free: int) -> Finding:
    """The finding for so many free bytes. Pure."""
    left = f"{directory}: {_size(free)} are free"
    if free >= WARNING_BELOW:
        return _REPORT.ok(left)
    advice = "make room there, or set MONITOR_DATA_DIR to a directory on another disk"
    if free < FAILED_BELOW:
        return _REPORT.failed(f"The disk of {directory} is full ({_size(free)} are free)", advice)
    return _REPORT.warning(f"{left} only", advice)


def _size(number: int) -> str:
    return f"{number / 2**30:,.1f} GiB" if number >= 2**30 else f"{number // _MIB} MiB"


async def _check(context: Context) -> Finding:
    directory = context.settings.monitor_data_dir.resolve()
    if not directory.exists():
        return _REPORT.skipped("no data directory of `make up` here; the stores have their own")
    return look(directory)


CHECK = Check(_REPORT, _check)
