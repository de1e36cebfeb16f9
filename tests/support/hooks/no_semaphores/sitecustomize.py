"""On the PYTHONPATH of a stack: its region worker finds a /dev/shm that it may not write to."""

import multiprocessing
import os


def _forbidden(*_):
    raise PermissionError(13, "Permission denied", "/dev/shm/pym-1-x")


if os.environ.get("MONITOR_REGION"):
    multiprocessing.Value = _forbidden
