"""Folders of tests that the user of an embedded PostgreSQL can reach: as root it is another one."""

import stat
import tempfile
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path


@contextmanager
def server_directory(prefix):
    """A folder for servers, gone after the block.

    Not in pytest's own folder: every pytest that starts on the machine closes that to others.
    """
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        open_way(Path(name))
        yield Path(name)


def open_way(directory):
    """Let every user pass through this folder and those above it, up to that which everyone may
    write to: a directory for temporary files. Elsewhere nothing is changed."""
    folders = (directory, *directory.parents)
    ours = list(takewhile(lambda folder: not folder.stat().st_mode & stat.S_ISVTX, folders))
    if len(ours) < len(folders):
        for folder in ours:
            folder.chmod(folder.stat().st_mode | 0o011)
