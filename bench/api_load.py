"""Load on the API at a fixed rate, as a program: whatever comes back, the next request is sent.

    BENCH_KEY=mon_... python bench/api_load.py http://127.0.0.1:8000 --ids FILE \\
        --per-s 30 --seconds 60 --new-url 'http://127.1.7.2:8080/added/{}'

In turn: a page of GET /monitor?limit=100, walking on by its cursor; GET /monitor/{id}?days=30 of
the websites in FILE; POST /websites. A latency counts from the moment at which the request was to
be sent, so an API that stands still is not asked less, nor is its standing still counted only once.
Prints one object of JSON: milliseconds by kind of request, and the worst delay in sending.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

_SLOWEST = 10


@dataclass
class Kind:
    """What came of the requests of one kind, and when they were due (Unix seconds).

    ``bad``: no answer, or not the one wanted.
    """

    ms: list[float] = field(default_factory=list)
    due_s: list[float] = field(default_factory=list)
    bad: int = 0
    last_error: str = ""

    def told(self) -> dict[str, Any]:
        return {
            "n": len(self.ms), "bad": self.bad, "last_error": self.last_error,
            "p50_ms": rank(self.ms, 50), "p99_ms": rank(self.ms, 99), "max_ms": rank(self.ms, 100),
            "slowest": self._slowest(),
        }  # fmt: skip

    def _slowest(self) -> list[tuple[float, float]]:
        """(when they were due, Unix seconds; milliseconds)."""
        ranked = sorted(zip(self.ms, self.due_s, strict=True), reverse=True)
        return [(round(due_s, 2), round(ms, 1)) for ms, due_s in ranked[:_SLOWEST]]


def rank(values: Sequence[float], percent: int) -> float | None:
    """The smallest value that at least ``percent`` of them do not exceed; None of none."""
    ranked = sorted(values)
    return round(ranked[-(-len(ranked) * percent // 100) - 1], 2) if ranked else None


class Client:
    """The three kinds of requests. Each raises for an answer that it does not want."""

    def __init__(self, session: aiohttp.ClientSession, ids: Sequence[str], new_url: str) -> None:
        self._session = session
        self._ids = cycle(ids)
        self._new_url = new_url
        self._new = count(1)
        self._cursor: str | None = None

    async def page(self) -> None:
        cursor = {} if self._cursor is None else {"cursor": self._cursor}
        said = await self._ask("GET", "/monitor", 200, params={"limit": "100", **cursor})
        if not said["items"]:
            raise ValueError("an empty page")
        self._cursor = said["next_cursor"]

    async def series(self) -> None:
        said = await self._ask("GET", f"/monitor/{next(self._ids)}", 200, params={"days": "30"})
        if not said["series"][0]["points"]:
            raise ValueError("a series without points")

    async def create(self) -> None:
        number = next(self._new)
        website = {"url": self._new_url.format(number), "check_frequency": 180}
        await self._ask("POST", "/websites", 201, json=website)

    async def _ask(self, method: str, path: str, wanted: int, **more: Any) -> dict[str, Any]:
        async with self._session.request(method, path, **more) as answer:
            body = await answer.read()
        if answer.status != wanted:
            raise ValueError(f"{method} {path} answered {answer.status}: {body[:200]!r}")
        said: dict[str, Any] = json.loads(body)
        return said


async def load(
    requests: Mapping[str, Callable[[], Awaitable[None]]], per_s: float, seconds: float
) -> dict[str, Any]:
    """Send them in turn at an even rate and wait for all answers."""
    kinds = {name: Kind() for name in requests}
    begin_s, worst_delay_s, sent = time.monotonic() + 0.1, 0.0, []
    for number, name in zip(range(int(per_s * seconds)), cycle(requests), strict=False):
        due_s = begin_s + number / per_s
        await asyncio.sleep(max(due_s - time.monotonic(), 0))
        worst_delay_s = max(worst_delay_s, time.monotonic() - due_s)
        sent.append(asyncio.create_task(_timed(kinds[name], requests[name], due_s)))
    await asyncio.gather(*sent)
    told = {name: kind.told() for name, kind in kinds.items()}
    return {**told, "worst_delay_ms": round(worst_delay_s * 1000, 2)}


async def _timed(kind: Kind, request: Callable[[], Awaitable[None]], due_s: float) -> None:
    try:
        await request()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        kind.bad += 1
        kind.last_error = f"{type(error).__name__}: {error}"
    # One that failed counts with its time, too: a time-out is the slowest answer of all.
    late_s = time.monotonic() - due_s
    kind.ms.append(late_s * 1000)
    kind.due_s.append(time.time() - late_s)


async def _main(arguments: argparse.Namespace) -> dict[str, Any]:
    ids = arguments.ids.read_text(encoding="ascii").split()
    async with aiohttp.ClientSession(
        arguments.api,
        headers={"Authorization": f"Bearer {os.environ['BENCH_KEY']}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=30),
    ) as session:
        client = Client(session, ids, arguments.new_url)
        requests = {"page": client.page, "series": client.series, "create": client.create}
        return await load(requests, arguments.per_s, arguments.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("api")
    parser.add_argument("--ids", type=Path, required=True)
    parser.add_argument("--per-s", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--new-url", required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_main(parser.parse_args()))))


if __name__ == "__main__":
    main()
