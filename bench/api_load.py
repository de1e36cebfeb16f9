"""Load on the API at a fixed rate, as a program: whatever comes back, the next request is sent.

    BENCH_KEY=mon_... python bench/api_load.py http://127.0.0.1:8000 --ids FILE \\
        --per-s 30 --seconds 60 --new-url 'http://127.1.7.2:8080/added/{}' [--kinds page,sla_30]

In turn, by ``--kinds``: pages of GET /monitor?limit=100 in several orders and with their uptimes,
each walking on by its cursor; charts and availability reports of the websites in FILE; POST
/websites. A latency counts from the moment at which the request was to
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
from functools import partial
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


_LISTS: dict[str, dict[str, str]] = {
    "page": {},
    "uptime": {"include": "uptime"},
    "by_status": {"include": "uptime", "sort": "status"},
    "by_uptime": {"include": "uptime", "sort": "uptime_30d"},
    "by_p95": {"include": "uptime", "sort": "p95_24h_ms"},
}
_REPORTS_DAYS = {"sla_30": 30, "sla_365": 365}
KINDS = (*_LISTS, "series", *_REPORTS_DAYS, "create")


class Client:
    """Requests by their kind. Each raises for a response that it does not expect."""

    def __init__(self, session: aiohttp.ClientSession, ids: Sequence[str], new_url: str) -> None:
        self._session = session
        self._ids = cycle(ids)
        self._new_url = new_url
        self._new = count(1)
        self._cursors: dict[str, str | None] = {}

    def request(self, kind: str) -> Callable[[], Awaitable[None]]:
        """One of KINDS. Raises KeyError for another."""
        if kind in _LISTS:
            return partial(self._page, kind)
        if kind in _REPORTS_DAYS:
            return partial(self._report, _REPORTS_DAYS[kind])
        return {"series": self._series, "create": self._create}[kind]

    async def _page(self, kind: str) -> None:
        """The first one again after the last."""
        cursor = self._cursors.get(kind)
        params = {"limit": "100", **_LISTS[kind], **({"cursor": cursor} if cursor else {})}
        page = await self._ask("GET", "/monitor", 200, params=params)
        if not page["items"]:
            raise ValueError("an empty page")
        self._cursors[kind] = page["next_cursor"]

    async def _series(self) -> None:
        chart = await self._ask("GET", f"/monitor/{next(self._ids)}", 200, params={"days": "30"})
        if not chart["series"][0]["points"]:
            raise ValueError("a series without points")

    async def _report(self, days: int) -> None:
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86_400))
        path = f"/websites/{next(self._ids)}/sla"
        report = await self._ask("GET", path, 200, params={"from": since})
        if report["response_ms"]["p99"] is None or not report["number_of_incidents"]:
            raise ValueError("a report without response times or incidents")

    async def _create(self) -> None:
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
        requests = {kind: client.request(kind) for kind in arguments.kinds.split(",")}
        return await load(requests, arguments.per_s, arguments.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("api")
    parser.add_argument("--ids", type=Path, required=True)
    parser.add_argument("--per-s", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--new-url", required=True)
    parser.add_argument("--kinds", default="page,series,create", help=", ".join(KINDS))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_main(parser.parse_args()))))


if __name__ == "__main__":
    main()
