"""All real parts, as processes of their own, started for one measurement and ended after it."""

from __future__ import annotations

import signal
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor.local import process
from monitor.local.processes import Locations, environment
from monitor.local.redis import free_port

from .options import Options
from .targets import Targets

TARGET, NAMES, MAIL = "target", "dns", "mail"
"""The websites, their names, and a server that takes the mails: no part of what is measured."""
_END_WITHIN_S = 8.0
OWN_SCRIPTS = Path(sysconfig.get_path("scripts"))


class Failed(Exception):
    """A part does not run; the message tells the end of its log."""


@dataclass
class Stack:
    """The parts by name, and where they are reached.

    None without it: ``influx_url``, ``dns_server`` (address:port), ``mail_port``.
    ``scripts``: the directory of the product's console scripts and of the Python they run on.
    """

    directory: Path
    options: Options
    targets: Targets
    database_url: str = ""
    redis_url: str = ""
    influx_url: str | None = None
    dns_server: str | None = None
    mail_port: int | None = None
    scripts: Path = OWN_SCRIPTS
    api_url: str = ""
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
                raise Failed(f"{name} ended ({child.returncode}): {last_words(self.log(name))}")

    def wait_for(self, name: str, answers: Callable[[], bool]) -> None:
        """Until it answers. Raises Failed where it, or another part, ends first."""
        self.must_run()
        wait_for(self.children[name], self.log(name), answers)

    def trust(self) -> dict[str, str]:
        """Whom everybody trusts who checks the websites: a variable of their environment."""
        store = self.targets.store
        return {} if store is None else {"SSL_CERT_FILE": str(store)}

    def environment(self) -> dict[str, str]:
        """Of the processes that may use Postgres."""
        given = {
            # Without a mail server mails would go nowhere; there are none where no website fails.
            "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self.mail_port or free_port()),
            "SMTP_TLS": "none", "SMTP_FROM": "monitor@bench.test",
            "ALERT_EMAIL_TO": "on-call@bench.test",
            "INFLUXDB_URL": self.influx_url or "", "MONITOR_API_PORT": str(free_port()),
            "MONITOR_DNS_SERVERS": self.dns_server or "",
            "MONITOR_BATCH_SIZE": str(self.options.batch_size),
        }  # fmt: skip
        found = environment(given, Locations(self.database_url, self.redis_url, 0), self.directory)
        return found | self.trust()

    def start_products(self) -> None:
        """API, central worker and a worker a region; return once the API is ready."""
        common = self.environment()
        self._start("api", ["monitor", "api"], common)
        self._start("central", _worker(1, 8), common)
        self._start_workers(common)
        self.api_url = f"http://127.0.0.1:{common['MONITOR_API_PORT']}"
        self.wait_for("api", lambda: answers(f"{self.api_url}/readyz", 200))

    def _start_workers(self, common: Mapping[str, str]) -> None:
        for region in self.options.regions:
            settings = {"MONITOR_REGION": region, **self._groups()} | (
                {"DATABASE_URL": ""} if self.influx_url else {}
            )
            words = _worker(self.options.processes, self.options.threads)
            self._start(f"worker.{region}", words, {**common, **settings})

    def _groups(self) -> dict[str, str]:
        """What workers of regions get from `make worker`, where that version had it."""
        conf = self.scripts.parents[1] / "src/monitor/probes/net/openssl.cnf"
        return {"OPENSSL_CONF": str(conf)} if conf.is_file() else {}

    def restart_workers(self) -> None:
        """The regions' workers, started anew."""
        workers = tuple(f"worker.{region}" for region in self.options.regions)
        self._stop(workers)
        self.products = tuple(name for name in self.products if name not in workers)
        self._start_workers(self.environment())

    def start_scheduler(self) -> None:
        """From the next minute on there are batches; in the midst of one, for that one too."""
        words, environment = ["periodiq", "monitor.actors"], self.environment()
        # One that is paused hears of no other signal should we die.
        self._start("scheduler", words, environment, orphan_signal=signal.SIGKILL)

    def pause_scheduler(self) -> None:
        """No more batches are queued; those that are go on."""
        process.send_signal(self.children["scheduler"], signal.SIGSTOP)

    def resume_scheduler(self) -> None:
        """Queue the batches of this minute at once, those of later ones when they begin."""
        process.send_signal(self.children["scheduler"], signal.SIGCONT)

    def run(self, *words: str, within_s: float = 300.0) -> str:
        """A command of the product, as an operator runs it; returns what it prints."""
        done = subprocess.run(
            self._command(words), env=self.environment(), cwd=self.directory,
            stdout=subprocess.PIPE, text=True, check=True, timeout=within_s,
        )  # fmt: skip
        return done.stdout.strip()

    def _start(
        self,
        name: str,
        words: list[str],
        env: dict[str, str],
        orphan_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        with self.log(name).open("ab") as log:
            child = process.start(
                self._command(words), log=log, env=env, cwd=self.directory,
                orphan_signal=orphan_signal,
            )  # fmt: skip
        self.children[name] = child
        self.products += (name,)

    def _command(self, words: Sequence[str]) -> list[str | Path]:
        return [self.scripts / "python", "-P", self.scripts / words[0], *words[1:]]

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
                process.send_signal(child, signal.SIGINT if name == "postgres" else signal.SIGTERM)
                process.send_signal(child, signal.SIGCONT)  # a scheduler may be paused
        for _, child in children:
            process.finish(child, within_s=_END_WITHIN_S)


def _worker(processes: int, threads: int) -> list[str]:
    count = ["--processes", str(processes), "--threads", str(threads)]
    return ["dramatiq", "monitor.actors", "--skip-logging", *count]


def wait_for(
    child: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool], within_s: float = 30.0
) -> None:
    """Until a process answers: a foreign one tells of its readiness only when asked. Raises Failed,
    with the end of its log, where it ends or does not answer in time."""
    deadline = time.monotonic() + within_s
    while not answers():
        if child.poll() is not None:
            raise Failed(f"{log.stem} ended ({child.returncode}): {last_words(log)}")
        if time.monotonic() > deadline:
            raise Failed(f"{log.stem} does not answer: {last_words(log)}")
        time.sleep(0.05)


def last_words(log: Path) -> str:
    """The end of a log, empty where there is none."""
    return log.read_text(encoding="utf-8", errors="replace")[-1500:] if log.exists() else ""


def answers(url: str, status: int) -> bool:
    """Whether a server of ours answers so."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == status)
    except (urllib.error.URLError, OSError):
        return False
