"""The names of the system's hosts file."""

from __future__ import annotations

from pathlib import Path

HOSTS = Path("/etc/hosts")


class HostsFile:
    """Knows which names the file has, and notices when it changes."""

    def __init__(self, path: Path = HOSTS) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._names: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """In lower case. Raises OSError where there is a file that cannot be read."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return frozenset()
        changed = (found.st_mtime_ns, found.st_size)
        if changed != self._read_at:
            text = self._path.read_text(encoding="utf-8", errors="replace")
            self._names, self._read_at = _names(text), changed
        return self._names


def _names(text: str) -> frozenset[str]:
    """hosts(5): an address, then its names; a comment begins with #."""
    words = (line.partition("#")[0].lower().split()[1:] for line in text.splitlines())
    return frozenset(name for each in words for name in each)
