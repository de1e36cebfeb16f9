"""Who is late: the parts that an answer of the API needs, asked ten times a second by themselves.

Where the API stands still, the part that stood still in the same moment is named beside it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis

from .stack import Stack, answers

_EVERY_S = 0.1
_NAP_S = 0.05
_KEPT = 5


@dataclass(frozen=True)
class Moment:
    """Unix seconds at which somebody was asked, and how many ms the answer took."""

    at_s: float
    ms: float


@dataclass
class Asked:
    """One part, its slowest answers, and why it was not asked on; ``at_best_s`` is no delay."""

    ask: Callable[[], object]
    at_best_s: float = 0.0
    slowest: list[Moment] = field(default_factory=list)
    failed: str = ""

    def keep_asking(self, ended: threading.Event) -> None:
        """Until told to end. A part that does not answer is asked no more, and says why."""
        while not ended.wait(_EVERY_S):
            at_s, began = time.time(), time.monotonic()
            try:
                self.ask()
            except (OSError, psycopg.Error, redis.RedisError, ValueError) as error:
                self.failed = f"{type(error).__name__}: {error}"
                return
            self._note(Moment(at_s, (time.monotonic() - began - self.at_best_s) * 1000))

    def told(self) -> dict[str, Any]:
        slowest = [(round(m.at_s, 2), round(m.ms, 1)) for m in self.slowest]
        return {"failed": self.failed, "slowest": slowest}

    def _note(self, moment: Moment) -> None:
        found = sorted([*self.slowest, moment], key=lambda m: m.ms, reverse=True)
        self.slowest = found[:_KEPT]


@contextmanager
def watched(stack: Stack) -> Iterator[dict[str, Asked]]:
    """Ask every part until the end of the block; what was found is whole after it.

    ``clock`` asks nobody: how late it is, this program itself was. ``disk`` writes 4 KiB to a file
    of its own and waits until they are on the disk, as Postgres does for a commit.
    """
    ended = threading.Event()
    with (
        psycopg.connect(stack.database_url, autocommit=True) as reading,
        psycopg.connect(stack.database_url, autocommit=True) as writing,
        redis.Redis.from_url(stack.redis_url) as client,
        (stack.directory / "late.bin").open("wb", buffering=0) as file,
    ):
        writing.execute("CREATE TABLE IF NOT EXISTS bench_late (at timestamptz)")
        found = {
            "clock": Asked(lambda: time.sleep(_NAP_S), _NAP_S),
            "disk": Asked(lambda: _on_disk(file.fileno())),
            "redis": Asked(client.ping),
            "postgres read": Asked(lambda: reading.execute("SELECT 1").fetchone()),
            "postgres commit": Asked(
                lambda: writing.execute("INSERT INTO bench_late VALUES (now())")
            ),
            "api": Asked(lambda: _alive(f"{stack.api_url}/healthz")),
        }
        if stack.influx_url is not None:
            found["influxd"] = Asked(lambda: _alive(f"{stack.influx_url}/ping", 204))
        threads = [
            threading.Thread(target=asked.keep_asking, args=(ended,), name=name)
            for name, asked in found.items()
        ]
        for thread in threads:
            thread.start()
        try:
            yield found
        finally:
            ended.set()
            for thread in threads:
                thread.join()


def _on_disk(descriptor: int) -> None:
    os.pwrite(descriptor, bytes(4096), 0)
    os.fdatasync(descriptor)


def _alive(url: str, status: int = 200) -> None:
    if not answers(url, status):
        raise ValueError(f"{url} did not answer {status}")
