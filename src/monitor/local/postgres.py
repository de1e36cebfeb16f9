"""An embedded PostgreSQL from a wheel, reachable over a Unix socket only."""

from __future__ import annotations

import contextlib
import hashlib
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
from monitor.local import process, server_programs
from monitor.local.directory import write_private
from monitor.local.server_user import make_folder, must_reach, own_name, server_user

_SOCKET_PATH_LIMIT = 90  # sun_path holds 104 (macOS) or 108 (Linux) bytes with the file's name
_SAFE = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}


class EmbeddedPostgres:
    """One server on one directory, which is created on first use.

    Its socket lets in the user that we run as, and root; it asks the system who is there. For root
    it runs as another user (``server_user.py``), who must be able to reach its directory.
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
        self.user = server_user()
        self.sockets = _socket_directory(self.directory)
        self._keep_open = keep_open
        self._child: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "monitor") -> str:
        """The libpq URL of a database on this server."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets), safe='')}"

    def start(self) -> None:
        """Start the server, wait until it answers, and create the database ``monitor``.

        Raises MonitorError, among others where its user cannot reach its directory.
        """
        for path in (self.directory, self.sockets):
            must_reach(path)
        self._make_directories()
        if not (self.directory / "PG_VERSION").exists():
            self._initdb()
        self._restrict_access()
        self.launch()
        self._wait_until_ready()
        self._create_database("monitor")

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server process on an initialised directory without waiting for it."""
        settings: list[str] = [word for k, v in self.options.items() for word in ("-c", f"{k}={v}")]
        with self.log.open("ab") as log:
            self._child = process.start(
                [
                    self._programs() / "postgres",
                    "-D",
                    self.directory,
                    "-k",
                    self.sockets,
                    *settings,
                ],
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

    def discard_lock_file(self) -> None:
        """Remove the lock file of a server that was killed: the number in it may be another
        process's by now, and PostgreSQL would wait for that one to end.

        Only while no server can be running on the directory, which its caller must know.
        """
        (self.directory / "postmaster.pid").unlink(missing_ok=True)

    def _programs(self) -> Path:
        return server_programs.reachable(self.directory)

    def _make_directories(self) -> None:
        make_folder(self.directory.parent)
        for path in (self.directory, self.sockets):
            path.mkdir(exist_ok=True, mode=0o700)
            if path.stat().st_uid not in {os.geteuid(), self.user}:
                raise MonitorError(f"{path} belongs to another user: {self._of_others(path)}.")
            self._give(path)

    def _of_others(self, path: Path) -> str:
        if path == self.sockets:
            return "remove it"
        return "run this as that user, or choose another MONITOR_DATA_DIR"

    def _give(self, path: Path) -> None:
        """Let the server's user own this."""
        if self.user is not None:
            os.chown(path, self.user, self.user, follow_symlinks=False)

    def _restrict_access(self) -> None:
        """Let in who may use this server, by the name that the system gives for the other end of
        the socket (peer authentication)."""
        users = {"root", own_name()}
        self._write("pg_hba.conf", "local all postgres peer map=monitor\n")
        self._write(
            "pg_ident.conf", "".join(f'monitor "{user}" postgres\n' for user in sorted(users))
        )

    def _write(self, name: str, text: str) -> None:
        write_private(self.directory / name, text)
        self._give(self.directory / name)

    def _initdb(self) -> None:
        """Initialise the directory atomically: another one is renamed when it is complete."""
        unfinished = self.directory.with_name(f"{self.directory.name}-unfinished")
        rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._give(unfinished)
        result = subprocess.run(
            [
                str(self._programs() / "initdb"), "-D", str(unfinished), "-U", "postgres",
                "--auth=peer", "--encoding=UTF8", "--locale=C", "--no-instructions",
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


def _socket_directory(directory: Path) -> Path:
    """Next to the data if possible, else in the temp directory.

    The length of a socket's path is limited, and libpq and PostgreSQL split it at commas.
    """
    beside = directory.parent / f"{directory.name}-socket"
    if len(os.fsencode(beside)) <= _SOCKET_PATH_LIMIT and "," not in str(beside):
        return beside
    name = hashlib.sha256(str(directory).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"monitor-{os.geteuid()}-{name}"
