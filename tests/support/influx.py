"""A real InfluxDB 1.x (Debian's package) on loopback, for the tests."""

import os
import shutil
import time
import urllib.request
from pathlib import Path

import pytest

from monitor.local import process
from monitor.local.redis import free_port

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{dir}/meta"
[data]
  dir = "{dir}/data"
  wal-dir = "{dir}/wal"
  index-version = "tsi1"
  max-values-per-tag = 0
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
[monitor]
  store-enabled = false
"""


def find_influxd():
    """The server's program, or None; REQUIRE_INFLUX=1 makes its absence a failure."""
    found = shutil.which("influxd")
    if found is None and os.environ.get("REQUIRE_INFLUX") == "1":
        pytest.fail("REQUIRE_INFLUX=1, but there is no influxd: install Debian's influxdb.")
    return found


class InfluxServer:
    def __init__(self, directory: Path):
        self.directory = directory
        self.port = 0
        self._child = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        for _ in range(5):
            self.port = self.port or free_port()
            config = self.directory / "influxdb.conf"
            config.write_text(
                _CONFIG.format(dir=self.directory, http=self.port, rpc=free_port()),
                encoding="utf-8",
            )
            with (self.directory / "influxdb.log").open("ab") as log:
                self._child = process.start([find_influxd(), "-config", config], log=log)
            if self._answers():
                return self
            self.stop()
            self.port = 0
        raise RuntimeError((self.directory / "influxdb.log").read_text(encoding="utf-8")[-2000:])

    def stop(self):
        process.stop(self._child, within_s=5.0)

    def _answers(self):
        deadline = time.monotonic() + 30
        while self._child.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/ping", timeout=2) as answer:
                    return answer.status == 204
            except OSError:
                time.sleep(0.05)  # a foreign process tells of its readiness only when asked
        return False
