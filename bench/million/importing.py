"""Bringing the websites in as anybody would: over the API, until every one can be checked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import aiohttp
import redis
from bench.stack import Failed, Stack
from bench.watch import Watch

from monitor.domain.ring import Ring
from monitor.storage.redis import keys

_LINES = 50_000
"""Websites in one upload, at most: about 6 MB."""
_PIECE = 1000
"""Lines that are made and sent at a time."""
_AT_ONCE = 2
_WITHIN_S = 1800.0


@dataclass(frozen=True)
class Import:
    """Seconds from the first upload's start: until the last answer, and until Redis had all."""

    uploaded_s: float
    ready_s: float


class Api:
    """Who may do everything at the stack's API."""

    def __init__(self, stack: Stack) -> None:
        self.url = stack.api_url
        self.key = stack.run("monitor", "keys", "create", "--name", "bench", "--role", "admin")

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            self.url,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=aiohttp.ClientTimeout(total=_WITHIN_S),
        )


def make_regions(api: Api, names: Iterable[str]) -> None:
    async def make() -> None:
        async with api.session() as session:
            for name in names:
                async with session.post("/regions", json={"name": name}) as answer:
                    await _must_be(answer, 201)

    asyncio.run(make())


def run(watch: Watch, api: Api) -> Import:
    """Import all websites of the stack's options and wait for the projection."""
    stack = watch.stack
    wanted = stack.options.sites, stack.options.series
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool, redis.Redis.from_url(stack.redis_url) as client:
        uploading = pool.submit(asyncio.run, upload(stack, api))
        watch.wait_for(
            lambda: uploading.done() and projected(client, stack) >= wanted,
            "importing over the API",
            within_s=_WITHIN_S,
        )
    return Import(uploading.result() - began, time.monotonic() - began)


def projected(client: redis.Redis, stack: Stack) -> tuple[int, int]:
    """How many websites Redis knows, and how many places they have on rings."""
    o = stack.options
    on_rings = sum(_int(client.zcard(keys.ring(Ring(r, o.interval_s)))) for r in o.regions)
    return _int(client.hlen(keys.DEFINITIONS)), on_rings


def _int(answer: Any) -> int:
    return int(answer)


async def upload(stack: Stack, api: Api) -> float:
    """All lines, so many uploads at once; returns when the last was answered (monotonic)."""
    uploads = iter(parts(stack.options.sites))
    async with api.session() as session, asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(_upload_next(session, stack, uploads))
    return time.monotonic()


async def _upload_next(
    session: aiohttp.ClientSession, stack: Stack, uploads: Iterator[range]
) -> None:
    for part in uploads:
        headers = {
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": f"bench-{part.start}",
        }
        body = _body(stack, part)
        async with session.post("/websites/bulk", data=body, headers=headers) as answer:
            said = await _must_be(answer, 200)
        if said.get("created") != len(part) or said.get("failed"):
            raise Failed(f"An upload of {len(part)} websites was answered {str(said)[:500]}")


def parts(sites: int) -> list[range]:
    """The websites' numbers by upload: as many uploads as are sent at once, or more."""
    size = min(_LINES, -(-sites // _AT_ONCE))
    return [range(n, min(n + size, sites)) for n in range(0, sites, size)]


async def _body(stack: Stack, part: range) -> AsyncIterator[bytes]:
    url, interval_s = stack.targets.url, stack.options.interval_s
    for begin in range(part.start, part.stop, _PIECE):
        numbers = range(begin, min(begin + _PIECE, part.stop))
        yield "".join(line(n, url(n), interval_s) for n in numbers).encode()


def line(number: int, url: str, interval_s: int) -> str:
    """One website as NDJSON. No character of it needs an escape."""
    return (
        f'{{"url":"{url}","name":"site {number}",'
        f'"check_frequency":{interval_s},"external_id":"{number}"}}\n'
    )


async def _must_be(answer: aiohttp.ClientResponse, *statuses: int) -> dict[str, Any]:
    if answer.status not in statuses:
        text = (await answer.text())[:500]
        raise Failed(f"{answer.method} {answer.url.path} answered {answer.status}: {text}")
    said: dict[str, Any] = await answer.json()
    return said
