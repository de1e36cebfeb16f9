"""The same websites asked by others: bare aiohttp, wrk as the floor, and the blackbox exporter."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from monitor.local import process
from monitor.local.redis import free_port

from . import proc
from .stack import Stack, answers, wait_for

SECONDS = 8
_BARE = Path(__file__).with_name("bare_aiohttp.py")
_REQUESTS = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_ERRORS = re.compile(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_NOT_OK = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_MODULE = """
modules:
  http_2xx:
    prober: http
    timeout: 15s
    http:
      preferred_ip_protocol: ip4
"""


@dataclass(frozen=True)
class Other:
    """CPU of one request, and how it went. ``cpu_us`` counts the asker's own processes only.

    ``by_name``: it looked up the website's name for each request, as our workers do.
    """

    cpu_us: float
    per_s: float
    bad: float
    by_name: bool = False


def bare_aiohttp(stack: Stack) -> Other:
    """aiohttp on uvloop without a monitor around it; with names where there are some."""
    ca = () if stack.targets.store is None else ("--ca", str(stack.targets.store))
    dns = () if stack.dns_server is None else ("--dns", stack.dns_server)
    said = _ask(_write(stack.directory, "urls", map(stack.targets.url, _numbers(stack))), *ca, *dns)
    per_s = said["good"] / said["seconds"]
    return Other(said["cpu_s"] * 1e6 / said["good"], per_s, said["bad"], by_name=bool(dns))


def wrk(stack: Stack) -> Other | None:
    """A client in C that does nothing with the answer; None where it is not installed.

    It looks a name up once, and asks the system where; so it gets an address.
    """
    program = shutil.which("wrk")
    if program is None:
        return None
    before, url = _children_cpu_us(), stack.targets.url_by_address(0)
    said = subprocess.run(
        [program, "-t1", "-c64", f"-d{SECONDS}s", "-H", "Connection: close", url],
        capture_output=True, text=True, check=True, timeout=SECONDS + 20,
    )  # fmt: skip
    good, bad = parse_wrk(said.stdout)
    if not good:
        raise RuntimeError(f"No answer was good: {said.stdout}")
    return Other((_children_cpu_us() - before) / good, good / SECONDS, bad)


def parse_wrk(text: str) -> tuple[int, int]:
    """Answers that were good, and failures of all kinds."""
    found, not_ok, errors = _REQUESTS.search(text), _NOT_OK.search(text), _ERRORS.search(text)
    if found is None:
        raise ValueError(f"wrk said: {text}")
    refused = int(not_ok[1]) if not_ok else 0
    return int(found[1]) - refused, refused + sum(map(int, errors.groups() if errors else ()))


def blackbox(stack: Stack) -> Other | None:
    """Prometheus's exporter at full load; None where it is not installed.

    It cannot be told which DNS server to ask, so it gets addresses.
    """
    exporter = find_blackbox()
    if exporter is None:
        return None
    urls = map(stack.targets.url_by_address, _numbers(stack))
    environment = dict(os.environ) | stack.trust()
    with running_blackbox(exporter, stack.directory, environment) as running:
        return probe(running, urls, stack.directory, seconds=SECONDS)


def find_blackbox() -> str | None:
    """The program, under the name that Debian gave it or its own."""
    names = ("prometheus-blackbox-exporter", "blackbox_exporter")
    return next(filter(None, map(shutil.which, names)), None)


@dataclass(frozen=True)
class Running:
    """An exporter: its process, and where it is asked."""

    pid: int
    address: str


@contextmanager
def running_blackbox(
    exporter: str, directory: Path, environment: Mapping[str, str]
) -> Iterator[Running]:
    """Start it, with the trust store of its environment: one that a module names would be read
    anew for every probe. Raises Failed where it does not answer."""
    port, config, log_path = free_port(), directory / "blackbox.yml", directory / "blackbox.log"
    config.write_text(_MODULE, encoding="utf-8")
    address = f"127.0.0.1:{port}"
    with log_path.open("ab") as log:
        words = [exporter, f"--config.file={config}", f"--web.listen-address={address}"]
        child = process.start(words, log=log, env=environment)
    try:
        wait_for(child, log_path, lambda: answers(f"http://{address}/-/healthy", 200))
        yield Running(child.pid, address)
    finally:
        process.stop(child, within_s=5)


def probe(running: Running, urls: Iterable[str], directory: Path, *, seconds: float) -> Other:
    """What a probe takes of its CPU time, 32 of them at once."""
    asked = f"http://{running.address}/probe?module=http_2xx&target={{}}"
    probes = _write(directory, "probes", (asked.format(quote(url, safe="")) for url in urls))
    before = proc.cpu_us({"blackbox": running.pid})["blackbox"]
    said = _ask(
        probes, "--keep-alive", "--at-once", "32", "--expect", "probe_success 1\n", seconds=seconds
    )
    used = proc.cpu_us({"blackbox": running.pid})["blackbox"] - before
    return Other(used / said["good"], said["good"] / said["seconds"], said["bad"])


def _ask(urls: Path, *more: str, seconds: float = SECONDS) -> dict[str, float]:
    command = [sys.executable, str(_BARE), str(urls), "--seconds", str(seconds), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds + 40)
    said: dict[str, float] = json.loads(done.stdout)
    if not said["good"]:
        raise RuntimeError(f"No answer was good: {said}")
    return said


def _numbers(stack: Stack) -> list[int]:
    """The first websites, as many as it takes to come by every address often. Of a mix those that
    answer at once with 200: the others do not follow redirects, or count a failure as theirs."""
    numbers = range(min(stack.options.sites, 20_000))
    return [n for n in numbers if stack.targets.kind(n) in ("http", "https")]


def _write(directory: Path, name: str, urls: Iterable[str]) -> Path:
    path = directory / f"{name}.txt"
    path.write_text("\n".join(urls), encoding="utf-8")
    return path


def _children_cpu_us() -> float:
    """Of children that ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e6
