"""All real parts, as processes of their own, started for one measurement and ended after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from monitor.local import process
from monitor.local.postgres import EmbeddedPostgres
from monitor.local.processes import Locations, environment
from monitor.local.redis import EmbeddedRedis, free_port
from monitor.storage.postgres.migrations import migrate

from . import targets
from .options import Options
from .targets import Targets

TARGET = "target"
_END_WITHIN_S = 8.0
_SCRIPTS = Path(sysconfig.get_path("scripts"))
_INFLUX = """
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
  cache-snapshot-write-cold-duration = "5s"
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
[monitor]
  store-enabled = false
"""
"""As advised to operators, but for the last line of [data]: what was written is compressed 5 s
after the last write, not 10 min. While writes come in it makes no difference."""


class Failed(Exception):
    """A part does not run; the message tells the end of its log."""


@dataclass
class Stack:
    """The parts by name, and where they are reached. ``influx_url``: None without it."""

    directory: Path
    options: Options
    targets: Targets
    database_url: str = ""
    redis_url: str = ""
    influx_url: str | None = None
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    products: tuple[str, ...] = ()

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self.children.items()}

    def must_run(self) -> None:
        """Raise Failed where a part has ended."""
        for name, child in self.children.items():
            if child.poll() is not None:
                raise Failed(f"{name} ended ({child.returncode}): {self._last_words(name)}")

    def wait_for(self, name: str, answers: Callable[[], bool], within_s: float = 30.0) -> None:
        """Until it answers. A foreign process tells of its readiness only when asked."""
        deadline = time.monotonic() + within_s
        while not answers():
            self.must_run()
            if time.monotonic() > deadline:
                raise Failed(f"{name} does not answer: {self._last_words(name)}")
            time.sleep(0.05)

    def _last_words(self, name: str) -> str:
        log = self.log(name)
        return log.read_text(encoding="utf-8", errors="replace")[-1500:] if log.exists() else ""

    def environment(self) -> dict[str, str]:
        """Of the processes that may use Postgres."""
        given = {
            # Mail would go nowhere; there is none where no website fails.
            "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(free_port()), "SMTP_TLS": "none",
            "INFLUXDB_URL": self.influx_url or "", "MONITOR_API_PORT": str(free_port()),
        }  # fmt: skip
        found = environment(given, Locations(self.database_url, self.redis_url, 0), self.directory)
        if self.targets.authority is not None:
            found["SSL_CERT_FILE"] = str(self.targets.authority)
        return found

    def start_products(self) -> None:
        """API, central worker and a worker a region; return once the API is ready."""
        common = self.environment()
        self._start("api", ["monitor", "api"], common)
        self._start("central", _worker(1), common)
        for region in self.options.regions:
            settings = {"MONITOR_REGION": region} | (
                {"DATABASE_URL": ""} if self.influx_url else {}
            )
            self._start(f"worker.{region}", _worker(self.options.processes), common | settings)
        ready = f"http://127.0.0.1:{common['MONITOR_API_PORT']}/readyz"
        self.wait_for("api", lambda: answers(ready, 200))

    def start_scheduler(self) -> None:
        """From the next minute on there are batches; in the midst of one, for that one too."""
        self._start("scheduler", ["periodiq", "monitor.actors"], self.environment())

    def _start(self, name: str, words: list[str], env: dict[str, str]) -> None:
        command: list[str | Path] = [sys.executable, "-P", _SCRIPTS / words[0], *words[1:]]
        with self.log(name).open("ab") as log:
            self.children[name] = process.start(command, log=log, env=env, cwd=self.directory)
        self.products += (name,)

    def stop_products(self) -> None:
        """End our own processes; servers go on."""
        self._stop(self.products)
        self.products = ()

    def stop(self) -> None:
        """End everything, those that need others first."""
        self.stop_products()
        self._stop(tuple(self.children))

    def _stop(self, names: tuple[str, ...]) -> None:
        children = [(name, self.children.pop(name)) for name in names]
        for name, child in children:
            if child.poll() is None:
                # PostgreSQL's SIGTERM waits for its clients, its SIGINT does not.
                child.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        for _, child in children:
            process.finish(child, within_s=_END_WITHIN_S)


def _worker(processes: int) -> list[str]:
    count = ["--processes", str(processes), "--threads", "4"]
    return ["dramatiq", "monitor.actors", "--skip-logging", *count]


@contextmanager
def running_servers(directory: Path, options: Options) -> Iterator[Stack]:
    """The servers and the websites, no process of ours yet. All are ended on the way out."""
    with ExitStack() as ending:
        stack = Stack(directory, options, targets.start(directory / "nginx", https=options.https))
        ending.callback(stack.stop)
        stack.children[TARGET] = stack.targets.child
        _start_postgres(stack)
        _start_redis(stack)
        if options.store == "influx":
            _start_influx(stack)
        stack.must_run()
        yield stack


def _start_postgres(stack: Stack) -> None:
    server = EmbeddedPostgres(stack.directory / "postgres", log=stack.log("postgres"))
    server.start()
    assert server.child is not None
    stack.children["postgres"] = server.child
    stack.database_url = server.url()
    migrate(stack.database_url)


def _start_redis(stack: Stack) -> None:
    server = EmbeddedRedis(stack.directory / "redis", log=stack.log("redis"))
    server.start()
    assert server.child is not None
    stack.children["redis"] = server.child
    stack.redis_url = server.url


def _start_influx(stack: Stack) -> None:
    directory, port = stack.directory / "influx", free_port()
    directory.mkdir()
    config = directory / "influxdb.conf"
    config.write_text(_INFLUX.format(dir=directory, http=port, rpc=free_port()), encoding="utf-8")
    with stack.log("influxd").open("ab") as log:
        started = process.start(["influxd", "-config", config], log=log, env=dict(os.environ))
    stack.children["influxd"] = started
    stack.influx_url = f"http://127.0.0.1:{port}"
    stack.wait_for("influxd", lambda: answers(f"{stack.influx_url}/ping", 204))


def answers(url: str, status: int) -> bool:
    """Whether a server of ours answers so."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == status)
    except (urllib.error.URLError, OSError):
        return False
