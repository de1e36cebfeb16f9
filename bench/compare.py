"""The same websites asked by others: bare aiohttp, wrk as the floor, and the blackbox exporter."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from monitor.local import process
from monitor.local.redis import free_port

from . import proc
from .stack import Stack, answers

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
_TRUST = """
      tls_config:
        ca_file: {authority}
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
    ca = () if stack.targets.authority is None else ("--ca", str(stack.targets.authority))
    dns = () if stack.dns_server is None else ("--dns", stack.dns_server)
    said = _ask(_write(stack, "urls", map(stack.targets.url, _numbers(stack))), *ca, *dns)
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
    names = ("prometheus-blackbox-exporter", "blackbox_exporter")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        return None
    port, config = free_port(), stack.directory / "blackbox.yml"
    trust = stack.targets.authority
    config.write_text(_MODULE + (_TRUST.format(authority=trust) if trust else ""), encoding="utf-8")
    address = f"127.0.0.1:{port}"
    with stack.log("blackbox").open("ab") as log:
        words = [program, f"--config.file={config}", f"--web.listen-address={address}"]
        child = stack.children["blackbox"] = process.start(words, log=log)
    stack.wait_for("blackbox", lambda: answers(f"http://{address}/-/healthy", 200))
    try:
        return _probe(stack, child.pid, f"http://{address}/probe?module=http_2xx&target={{}}")
    finally:
        process.stop(stack.children.pop("blackbox"), within_s=5)


def _probe(stack: Stack, pid: int, question: str) -> Other:
    urls = map(stack.targets.url_by_address, _numbers(stack))
    probes = _write(stack, "probes", (question.format(quote(url, safe="")) for url in urls))
    before = proc.cpu_us({"blackbox": pid})["blackbox"]
    said = _ask(probes, "--keep-alive", "--at-once", "32", "--expect", "probe_success 1\n")
    used = proc.cpu_us({"blackbox": pid})["blackbox"] - before
    return Other(used / said["good"], said["good"] / said["seconds"], said["bad"])


def _ask(urls: Path, *more: str) -> dict[str, float]:
    command = [sys.executable, str(_BARE), str(urls), "--seconds", str(SECONDS), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=SECONDS + 40)
    said: dict[str, float] = json.loads(done.stdout)
    if not said["good"]:
        raise RuntimeError(f"No answer was good: {said}")
    return said


def _numbers(stack: Stack) -> range:
    """The first websites, as many as it takes to come by every address often."""
    return range(min(stack.options.sites, 20_000))


def _write(stack: Stack, name: str, urls: Iterable[str]) -> Path:
    path = stack.directory / f"{name}.txt"
    path.write_text("\n".join(urls), encoding="utf-8")
    return path


def _children_cpu_us() -> float:
    """Of children that ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e6
