"""The user that PostgreSQL runs as where we are root, and what that user can reach. Pure look-ups.

PostgreSQL refuses to run as root, so it runs as ``nobody`` there. Nothing that exists is opened to
that user: a place that it cannot enter is refused, with one that it can.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from monitor.domain.errors import MonitorError

NOBODY = 65_534
_PLACES = ("/var/lib/monitor", "/srv/monitor", "/opt/monitor")


def server_user() -> int | None:
    """The user id to run the server as; None: our own."""
    return NOBODY if os.geteuid() == 0 else None


def own_name() -> str:
    """The name of the user that we run as. Raises MonitorError where the system knows none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise MonitorError(
            f"The user id {os.geteuid()} has no name on this system, and PostgreSQL needs one: "
            "add a line for it to /etc/passwd, or run this as another user."
        ) from None


def folder_mode() -> int:
    """The mode of folders of ours that the server's user must pass through, but not read."""
    return 0o700 if server_user() is None else 0o711


def must_reach(directory: Path) -> None:
    """Raises MonitorError where the server's user cannot enter a folder above this one."""
    closed = closed_on_the_way(directory, server_user())
    if closed is not None:
        raise MonitorError(
            f"{closed} is closed to the user `nobody`, as whom PostgreSQL runs where we are root: "
            f"choose another directory, as in `make up MONITOR_DATA_DIR={_open_place()}`, or run "
            "this as another user than root."
        )


def closed_on_the_way(path: Path, user: int | None) -> Path | None:
    """The first folder above ``path`` that this user cannot enter; None where it reaches it."""
    if user is None:
        return None
    return next((folder for folder in _folders_above(path) if not _may_enter(folder, user)), None)


def _folders_above(path: Path) -> Iterator[Path]:
    """Those that exist, from the top; one that does not will be made by us, with folder_mode."""
    return (folder for folder in reversed(path.parents) if folder.exists())


def _may_enter(folder: Path, user: int) -> bool:
    """As the mode says: the server's user has no groups of its own."""
    status = folder.stat()
    needed = stat.S_IXUSR if status.st_uid == user else stat.S_IXOTH
    return bool(status.st_mode & needed)


def _open_place() -> Path:
    """A directory that would do: the first usual place that the server's user reaches."""
    places = [Path(place) for place in _PLACES]
    return next((p for p in places if closed_on_the_way(p / "x", NOBODY) is None), places[0])


def make_folder(path: Path) -> None:
    """Make a folder and those above it; the ones made here can be passed through."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        path.chmod(folder_mode())
