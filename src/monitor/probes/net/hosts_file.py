"""The names of the system's hosts file."""

from __future__ import annotations

from pathlib import Path

HOSTS = Path("/etc/hosts")


class HostsFile:
    """The names in the file, read again when it changes."""

    def __init__(self, path: Path = HOSTS) -> None:
        self._path = path
        self._version: tuple[int, int] | None = None
        self._names: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """All names in lower case. Raises OSError where the file exists but cannot be read."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return frozenset()
        version = (stat.st_mtime_ns, stat.st_size)
        if version != self._version:
            text = self._path.read_text(encoding="utf-8", errors="replace")
            self._names, self._version = _names(text), version
        return self._names


def _names(text: str) -> frozenset[str]:
    """hosts(5): an address, then its names; a comment begins with #."""
    words = (line.partition("#")[0].lower().split()[1:] for line in text.splitlines())
    return frozenset(name for each in words for name in each)
