"""Folders of tests that the user of an embedded PostgreSQL can reach: as root it is another one."""

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 2**30


@contextmanager
def server_directory(prefix):
    """A folder for servers, gone after the block; in memory, where there is room.

    Making a database takes a sixth of the CPU there. Not in pytest's own folder: every pytest that
    starts on the machine closes that to others.
    """
    parent = _MEMORY if _has_room(_MEMORY) else None
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as name:
        open_way(Path(name))
        yield Path(name)


def _has_room(folder):
    """Whether servers of several test processes fit in, and may be run from it."""
    if not os.access(folder, os.W_OK):
        return False
    runs_programs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return runs_programs and shutil.disk_usage(folder).free >= _ROOM_BYTES


def open_way(directory):
    """Let every user pass through this folder and those above it, up to that which everyone may
    write to: a directory for temporary files. Elsewhere nothing is changed."""
    folders = (directory, *directory.parents)
    ours = list(takewhile(lambda folder: not folder.stat().st_mode & stat.S_ISVTX, folders))
    if len(ours) < len(folders):
        for folder in ours:
            folder.chmod(folder.stat().st_mode | 0o011)
