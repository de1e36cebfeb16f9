"""What a tick costs InfluxDB alone, and the memory that it takes: half a minute.

    python -m bench.influx_alone [--websites 150000] [--rounds 5] [--lines 2500]

Writes a tick of each website, round by round, to a server with deploy/influxdb.conf. Variables of
the environment change it: ``GOGC=100 python -m bench.influx_alone``. Prints a line a round.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from monitor.domain.outcome import Tick, Timings
from monitor.local import process
from monitor.local.redis import free_port
from monitor.storage.timeseries import line_protocol

from . import proc
from .servers import start_influxd
from .stack import answers

_BEGIN_S, _INTERVAL_S = 1_800_000_000, 180
_NAME = "influxd"


def _bodies(
    ids: Sequence[UUID], number: int, at_once: int, chance: random.Random
) -> Iterator[bytes]:
    """The bodies of one round's writes."""
    for first in range(0, len(ids), at_once):
        slot_s = _BEGIN_S + number * _INTERVAL_S + first * _INTERVAL_S // len(ids)
        ticks = [_tick(i, slot_s, chance) for i in ids[first : first + at_once]]
        yield b"\n".join(line_protocol.encode_ticks(ticks))


def _tick(website_id: UUID, slot_s: int, chance: random.Random) -> Tick:
    connect_ms, wait_ms, transfer_ms = (chance.uniform(0.1, 9.0) for _ in range(3))
    timings = Timings(0.0, connect_ms, 0.0, wait_ms, transfer_ms)
    return Tick(website_id, "region-1", slot_s, True, None, 200, timings.total_ms, timings)


def _post(url: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=60) as answer:
        answer.read()


def _measure(url: str, pid: int, options: argparse.Namespace) -> None:
    chance = random.Random(1)
    ids = [UUID(int=chance.getrandbits(128)) for _ in range(options.websites)]
    _post(f"{url}/query?q=CREATE+DATABASE+ticks", b"")
    for number in range(options.rounds):
        before_us = proc.cpu_us({_NAME: pid})[_NAME]
        for body in _bodies(ids, number, options.lines, chance):
            _post(f"{url}/write?db=ticks&precision=s", body)
        used_us = proc.cpu_us({_NAME: pid})[_NAME] - before_us
        rss = proc.memory({_NAME: pid})[_NAME].rss // 2**20
        print(f"round {number + 1}: {used_us / len(ids):.1f} us a tick, {rss} MiB", flush=True)


@contextmanager
def influxd_alone(websites: int) -> Iterator[tuple[str, int]]:
    """A server for so many websites: its address and process id."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory:
        child = start_influxd(Path(directory) / "i", port, websites, subprocess.DEVNULL)
        try:
            _wait_for(f"http://127.0.0.1:{port}", child)
            yield f"http://127.0.0.1:{port}", child.pid
        finally:
            process.stop(child, within_s=10)


def _wait_for(url: str, child: subprocess.Popen[bytes]) -> None:
    while not answers(f"{url}/ping", 204):
        if child.poll() is not None:
            raise SystemExit("influxd ended at once.")
        time.sleep(0.1)  # it tells of its readiness only when asked


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.influx_alone", description=(__doc__ or "").partition("\n")[0]
    )
    for name, default in (("websites", 150_000), ("rounds", 5), ("lines", 2500)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with influxd_alone(options.websites) as (url, pid):
        _measure(url, pid, options)


if __name__ == "__main__":
    main()
