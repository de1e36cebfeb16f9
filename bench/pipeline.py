"""What a check costs beside its probe, in one region worker and in Redis: half a minute.

    python -m bench.pipeline [--profile]

Batches of 500 websites whose probes cost nothing and find them up: the arc is read from a real
Redis, decided on, made into lines that nobody takes, and its states are written. With ``--profile``
the functions that take the most time, as cProfile has it; the figures are then of no use.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import uvloop
from redis.asyncio import Redis

from monitor.domain.ids import uuid7
from monitor.domain.messages import CheckBatch
from monitor.domain.outcome import Outcome, Result, Tick, Timings
from monitor.domain.ring import POSITIONS
from monitor.local.redis import EmbeddedRedis
from monitor.resources.check_options import CheckOptions
from monitor.resources.website import Definition, Projected
from monitor.runtime import logging as logs
from monitor.runtime import process
from monitor.services.checks.check import check_batch
from monitor.services.checks.region_worker import RegionWorker
from monitor.services.checks.slow_checks import SlowChecks
from monitor.storage.redis.client import client
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.states import States
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries import line_protocol
from monitor.storage.timeseries.grouped import GroupedWrites

_REGION, _INTERVAL_S, _BEGIN_S = "europe", 180, 1_800_000_000
_WEBSITES, _BATCHES, _CYCLES = 5000, 10, 8
_UP = Outcome(Result.UP, None, 200, 9.5, Timings(0.0, 0.4, 0.0, 8.5, 0.6))


class _Prober:
    async def check(self, *_: object) -> Outcome:
        return _UP


class _Connectivity:
    async def has_network(self, _lasted_s: float = 0.0) -> bool:
        return True


async def _encode(ticks: Sequence[Tick]) -> None:
    b"\n".join(line_protocol.encode_ticks(ticks))


async def _send(_outgoing: object) -> None:
    raise AssertionError("nothing follows from a website that is up")


@dataclass
class _Clock:
    now_s: float = _BEGIN_S

    def now(self) -> float:
        return self.now_s


def _worker(redis: Redis, clock: _Clock) -> RegionWorker:
    return RegionWorker(
        region=_REGION,
        projection=Projection(redis),
        states=States(redis),
        regions=Regions(redis),
        ticks=GroupedWrites(_encode, linger_s=0),
        buffer=TickBuffer(redis, 2**20),
        prober=_Prober(),
        connectivity=_Connectivity(),
        slow_checks=SlowChecks(1),
        send=_send,
        now=clock.now,
    )


def _websites() -> list[Projected]:
    def definition(number: int) -> Definition:
        url = f"http://127.3.4.{number % 250}:8080/site/{number}"
        return Definition(check=CheckOptions(url=url, check_frequency=_INTERVAL_S), regions=None)

    ids: list[UUID] = [uuid7(_BEGIN_S * 1000 + n, os.urandom(10)) for n in range(_WEBSITES)]
    return [Projected(website_id, definition(n)) for n, website_id in enumerate(ids)]


async def _cycle(worker: RegionWorker, clock: _Clock, slot_s: int) -> None:
    clock.now_s = slot_s + 1
    edges = [POSITIONS * n // _BATCHES for n in range(_BATCHES + 1)]
    for lo, hi in pairwise(edges):
        batch = CheckBatch(
            region=_REGION, interval_s=_INTERVAL_S, lo=lo, hi=hi, slot_ms=slot_s * 1000
        )
        await check_batch(worker, batch)


async def _redis_cpu_s(redis: Redis) -> float:
    found = await redis.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])


async def _measure(redis_url: str, profile: cProfile.Profile | None) -> tuple[float, float]:
    """(CPU seconds of this process, of Redis) that the cycles took."""
    clock = _Clock()
    async with client(redis_url) as redis:
        worker = _worker(redis, clock)
        await Projection(redis).apply(_websites(), [_REGION])
        await _cycle(worker, clock, _BEGIN_S)
        process.collect_garbage_rarely()
        redis_s, own_s = await _redis_cpu_s(redis), time.process_time()
        with profile or nullcontext():
            for number in range(1, _CYCLES + 1):
                await _cycle(worker, clock, _BEGIN_S + number * _INTERVAL_S)
        return time.process_time() - own_s, await _redis_cpu_s(redis) - redis_s


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.pipeline", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--profile", action="store_true")
    profile = cProfile.Profile() if parser.parse_args().profile else None
    logs.configure("bench", "WARNING")
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as directory:
        server = EmbeddedRedis(Path(directory) / "redis")
        server.start()
        try:
            own_s, redis_s = uvloop.run(_measure(server.url, profile))
        finally:
            server.stop()
    checks = _WEBSITES * _CYCLES
    own_us, redis_us = own_s / checks * 1e6, redis_s / checks * 1e6
    print(f"{own_us:.1f} us a check in the worker, {redis_us:.1f} in Redis")
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
