"""A real InfluxDB 1.x (Debian's package) on loopback, for the tests."""

import os
import shutil
import time
import urllib.request
from pathlib import Path

import pytest

from monitor.local import process
from support.ports import free_port

_CONFIG = Path(__file__).parents[2] / "deploy" / "influxdb.conf"
"""As operators are advised; where its data is and where it listens is said in the environment."""


def find_influxd():
    """The server's program, or None; REQUIRE_INFLUX=1 makes its absence a failure."""
    found = shutil.which("influxd")
    if found is None and os.environ.get("REQUIRE_INFLUX") == "1":
        pytest.fail("REQUIRE_INFLUX=1, but there is no influxd: install Debian's influxdb.")
    return found


def need_influxd():
    """A visible skip where it is not installed: those who run ten websites keep ticks in Postgres.
    In CI it is a failure, as find_influxd says."""
    if find_influxd() is None:
        pytest.skip("no influxd on this machine: the InfluxDB tests are not run")


class InfluxServer:
    def __init__(self, directory: Path):
        self.directory = directory
        self.port = 0
        self.backup_port = 0
        self._child = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        for _ in range(5):
            self.port = self.port or free_port()
            self.backup_port = free_port()
            command = [find_influxd(), "-config", _CONFIG]
            with (self.directory / "influxdb.log").open("ab") as log:
                self._child = process.start(command, log=log, env=self._environment())
            if self._answers():
                return self
            self.stop()
            self.port = 0
        raise RuntimeError((self.directory / "influxdb.log").read_text(encoding="utf-8")[-2000:])

    def _environment(self):
        return os.environ | {
            "INFLUXDB_META_DIR": f"{self.directory}/meta",
            "INFLUXDB_DATA_DIR": f"{self.directory}/data",
            "INFLUXDB_DATA_WAL_DIR": f"{self.directory}/wal",
            "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{self.backup_port}",
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{self.port}",
        }

    @property
    def child(self):
        """The server's process while it runs."""
        return self._child

    def stop(self):
        if self._child is not None:
            process.stop(self._child, within_s=5.0)
            self._child = None

    def _answers(self):
        deadline = time.monotonic() + 30
        while self._child.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/ping", timeout=2) as answer:
                    return answer.status == 204
            except OSError:
                time.sleep(0.05)  # a foreign process tells of its readiness only when asked
        return False
