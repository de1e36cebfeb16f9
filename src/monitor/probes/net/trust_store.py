"""Which authorities this host trusts, and whether that has changed since.

A process runs for months: an authority that was removed meanwhile must not go on vouching.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import certifi

from monitor.domain.errors import MonitorError
from monitor.probes.net import tls
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger

INTERVAL_S = 60.0
SETTLED_S = 2.0
"""Files that did not change for so long are not being written."""

_log = get_logger(__name__)
_ERRORS = tasks.ErrorLog(
    _log, failed="trust_store.failed", unavailable="trust_store.unavailable", once=True
)

Snapshot = frozenset[tuple[str, int, int, int]]
"""Path, inode, size and time of change of each file."""


class NoAuthorities(MonitorError):
    """The store is there and empty, as it may be while it is written."""


def snapshot() -> Snapshot:
    """The files that authorities are read from, as they are now."""
    return frozenset(_described(path) for path in _files())


def _files() -> Iterator[Path]:
    """Those that ``tls.verified`` reads: SSL_CERT_FILE and SSL_CERT_DIR, or the system's, or
    certifi's where there are none."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        yield Path(paths.cafile)
    if paths.capath:
        yield Path(paths.capath)
        with contextlib.suppress(OSError):  # gone meanwhile, or not to be read by us
            yield from Path(paths.capath).iterdir()
    if not paths.cafile and not paths.capath:
        yield Path(certifi.where())


def _described(path: Path) -> tuple[str, int, int, int]:
    try:
        status = path.stat()
    except OSError:  # gone meanwhile, or a link to nowhere
        return str(path), 0, 0, 0
    return str(path), status.st_ino, status.st_size, status.st_mtime_ns


class TrustStore:
    """Looks at the store once a minute, and hands on new contexts when it has changed.

    Made on the event loop before its contexts are; close() releases it.
    """

    def __init__(
        self,
        renewed: Callable[[tls.Contexts], None],
        *,
        interval_s: float = INTERVAL_S,
        settled_s: float = SETTLED_S,
    ) -> None:
        self._renewed = renewed
        self._settled_s = settled_s
        self._snapshot = snapshot()
        self._task = asyncio.create_task(tasks.run_forever(self.look, _ERRORS, pause_s=interval_s))

    async def close(self) -> None:
        """Stop looking."""
        await tasks.end(self._task)

    async def look(self) -> None:
        """Look now. Raises what keeps a changed store from being read: it is tried again."""
        latest = await asyncio.to_thread(snapshot)
        if latest == self._snapshot:
            return
        while (later := await self._snapshot_later()) != latest:
            latest = later
        self._renewed(await asyncio.to_thread(_loaded))
        self._snapshot = latest
        _log.info("trust_store.changed", files=len(latest))

    async def _snapshot_later(self) -> Snapshot:
        await asyncio.sleep(self._settled_s)  # nothing tells when a file is written to its end
        return await asyncio.to_thread(snapshot)


def _loaded() -> tls.Contexts:
    """Contexts that trust whom the store names now. Raises OSError where it cannot be read."""
    contexts = tls.Contexts()
    in_a_directory = ssl.get_default_verify_paths().capath  # read when they are needed
    if not in_a_directory and not contexts.get().cert_store_stats()["x509_ca"]:
        raise NoAuthorities("The trust store has no authorities; those of before go on counting.")
    return contexts
