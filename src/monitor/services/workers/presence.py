"""Which processes of an installation are there: each says so to Redis every ten seconds.

Workers of regions say it with their load (``heartbeat.py``).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import Final
from uuid import uuid4

from msgspec import Struct
from redis.asyncio import Redis

from monitor import __version__
from monitor.domain.errors import Unavailable
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.storage.redis.client import client, server_time
from monitor.storage.redis.processes import Process, Processes
from monitor.storage.redis.workers import Workers

_ERRORS = tasks.ErrorLog(
    get_logger(__name__), failed="presence.failed", unavailable="presence.not_stored", once=True
)

REPORT_EVERY_S = 10.0

API: Final = "api"
CENTRAL: Final = "central"
SCHEDULER: Final = "scheduler"
REGION: Final = "region"


class Present(Struct, frozen=True):
    """A process that was heard of within the last 45 s.

    ``region``: of a worker of a region. ``keys``: the fingerprints of its encryption keys, where it
    has to do with any. ``groups``: what a worker of a region offers in TLS handshakes. These and
    ``version`` are None where an older version does not tell.
    """

    role: str
    region: str | None
    version: str | None
    keys: Sequence[str] | None
    groups: Sequence[int] | None = None

    @property
    def name(self) -> str:
        return f"worker of {self.region}" if self.region else _NAMES.get(self.role, self.role)


_NAMES = {API: "API", CENTRAL: "central worker", SCHEDULER: "scheduler"}


async def report(redis: Redis, role: str, keys: Sequence[str] | None = None) -> None:
    """Report this process for ever, and forget it when this is cancelled."""
    processes, name = Processes(redis), uuid4().hex

    async def once() -> None:
        now_s = int(await server_time(redis))
        fingerprints = None if keys is None else list(keys)
        await processes.report(name, Process(role, __version__, now_s, fingerprints))

    try:
        await tasks.run_forever(once, _ERRORS, pause_s=REPORT_EVERY_S)
    finally:
        with suppress(Unavailable, asyncio.CancelledError):
            await processes.forget(name)


def report_on_thread(redis_url: str, role: str) -> None:
    """The same for a process that has no event loop, until it ends."""

    async def run() -> None:
        async with client(redis_url) as redis:
            await report(redis, role)

    def in_thread() -> None:
        # The scheduler waits for its alarm: one that this thread took would not wake it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        asyncio.run(run())

    Thread(target=in_thread, name="presence", daemon=True).start()


async def running(redis: Redis) -> list[Present]:
    """The processes that are there. Raises Unavailable."""
    now_s = await server_time(redis)
    others = [Present(p.role, None, p.version, p.keys) for p in await Processes(redis).fresh(now_s)]
    workers = [
        Present(REGION, w.region, w.version, w.keys, w.groups)
        for w in await Workers(redis).fresh(now_s)
    ]
    return others + workers
