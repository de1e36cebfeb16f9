"""The heartbeat of a region worker: its limits and its load, every ten seconds.

On a timer, not with each batch: an idle worker is alive too.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from uuid import uuid4

from msgspec.structs import replace

from monitor import __version__
from monitor.domain.capacity import Load, Work, WorkerLimits, load_between
from monitor.domain.errors import Unavailable
from monitor.metrics.worker_stats import Meter
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.storage.redis.workers import WorkerReport, Workers

log = get_logger(__name__)
_ERRORS = tasks.ErrorLog(log, failed="heartbeat.failed", unavailable="heartbeat.not_stored")

BEAT_S = 10.0
_WINDOW_BEATS = 6
"""The load is measured over this many beats: a minute, in which every ring has had its share."""


class Heartbeat:
    """The reports of one process. ``message_s``: total seconds that messages held its threads.
    ``keys``: the fingerprints of its encryption keys. ``groups``: those it offers in TLS
    handshakes."""

    def __init__(
        self,
        workers: Workers,
        region: str,
        *,
        limits: WorkerLimits,
        meter: Meter,
        message_s: Callable[[], float],
        now: Callable[[], float],
        keys: Sequence[str] = (),
        groups: Sequence[int] | None = None,
    ) -> None:
        self._workers = workers
        self._region = region
        self._limits = limits
        self._meter = meter
        self._message_s = message_s
        self._now = now
        self._keys = list(keys)
        self._groups = None if groups is None else list(groups)
        self._process = uuid4().hex
        self._history = deque([self._work()], maxlen=_WINDOW_BEATS + 1)
        self._capacity_per_s: float | None = None
        self._cleaned = False
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start, on the running event loop."""
        self._beating = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and remove the process from the list."""
        if self._beating is not None:
            await tasks.end(self._beating)
        try:
            await self._workers.forget(self._process)
        except Unavailable as error:
            log.warning("heartbeat.not_removed", error=str(error))

    async def beat(self) -> None:
        """Report once. Raises Unavailable without Redis."""
        load = self._load()
        now_s = int(self._now())
        report = WorkerReport(
            self._region, now_s, self._limits, load, self._keys, __version__, self._groups
        )
        await self._workers.report(self._process, report)

    def _load(self) -> Load:
        """The load of the last minute. After an idle minute the last known capacity stays."""
        work = self._work()
        load = load_between(self._history[0], work, self._limits)
        self._history.append(work)
        if load.capacity_per_s is not None:
            self._capacity_per_s = load.capacity_per_s
        return replace(load, capacity_per_s=self._capacity_per_s)

    def _work(self) -> Work:
        meter = self._meter
        return Work(
            at_s=time.monotonic(),
            checks=meter.checks,
            cpu_s=time.process_time(),
            message_s=self._message_s(),
            check_s=meter.check_s.total,
        )

    async def _run(self) -> None:
        """If this ended, a working process would count as dead until its restart."""
        await tasks.run_forever(self._beat_and_clean, _ERRORS, pause_s=BEAT_S)

    async def _beat_and_clean(self) -> None:
        await self.beat()
        if not self._cleaned:
            await self._workers.forget_old(self._now())
            self._cleaned = True
