"""A commit in a directory of its own, installed as its own Makefile does it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.stack import Failed
from bench.watch import say

from monitor.local import process

_REPOSITORY = Path(__file__).parents[2]
_INSTALL_WITHIN_S = 900
_NOT_INHERITED = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "VIRTUAL_ENV")
"""What `make bench` tells its children is not meant for the other Makefile."""


@dataclass(frozen=True)
class Checkout:
    """``name``: the commit's short id. ``scripts``: the directory of its console scripts."""

    name: str
    scripts: Path


def short_id(commit: str, repository: Path = _REPOSITORY) -> str:
    """Raises ValueError, one sentence, where the repository has no such commit."""
    try:
        return _git(repository, "rev-parse", "--short", "--verify", f"{commit}^{{commit}}")
    except Failed:
        raise ValueError(f"AGAINST must name a commit of this repository: {commit!r}.") from None


@contextmanager
def checked_out(commit: str, repository: Path = _REPOSITORY) -> Iterator[Path]:
    """The commit's files. They are gone afterwards, also after Ctrl-C.

    Out of an archive and not a worktree of git's: the repository never hears of it, so nothing is
    left in there whenever this ends.
    """
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory:
        tree, archive = Path(directory) / "tree", Path(directory) / "tree.tar"
        _git(repository, "archive", f"--output={archive}", commit)
        tree.mkdir()
        subprocess.run(["tar", "-xf", str(archive), "-C", str(tree)], check=True)
        yield tree


@contextmanager
def installed(commit: str) -> Iterator[Checkout]:
    """The commit with a virtual environment of its own, by the same Python as ours.

    Raises ValueError for an unknown commit, Failed where it cannot be installed.
    """
    name = short_id(commit)
    with checked_out(name) as tree:
        say(f"installing {name} in a directory of its own")
        _install(tree)
        yield Checkout(name, tree / ".venv" / "bin")


def _install(tree: Path) -> None:
    """In a process group of its own: told to end, none of what pip started is left."""
    log_path = tree.parent / "install.log"
    words = ["make", "-C", tree, f"PYTHON={_python()}", ".venv/.local"]
    environment = {n: text for n, text in os.environ.items() if n not in _NOT_INHERITED}
    with log_path.open("wb") as log:
        child = process.start(words, log=log, env=environment)
    try:
        status = child.wait(_INSTALL_WITHIN_S)
    except subprocess.TimeoutExpired:
        raise Failed(f"Not installed after {_INSTALL_WITHIN_S} s: {_end(log_path)}") from None
    finally:
        process.stop(child, within_s=5)
    if status:
        raise Failed(f"The commit cannot be installed ({status}): {_end(log_path)}")


def _python() -> Path:
    """The interpreter that our own virtual environment was made of."""
    return Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")


def _end(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-1500:]


def _git(repository: Path, *words: str) -> str:
    """What it prints. Raises Failed with git's own words."""
    command = ["git", "-C", str(repository), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
