"""A region worker's sign of life: what it has and how busy it was, every ten seconds.

On a clock and not with each batch: a worker that has nothing to do is there all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from uuid import uuid4

from msgspec.structs import replace

from monitor.domain.capacity import Limits, Load, Work, load_between
from monitor.domain.errors import Unavailable
from monitor.metrics.worker_stats import Meter
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.storage.redis.workers import WorkerReport, Workers

log = get_logger(__name__)
_ERRORS = tasks.ErrorLog(log, failed="heartbeat.failed", unavailable="heartbeat.not_stored")

BEAT_S = 10.0
_SPAN_BEATS = 6
"""How many beats back a load is measured from: a minute, so that every ring's share is in it."""


class Heartbeat:
    """The reports of one process. ``message_s``: seconds its threads were held, in all."""

    def __init__(
        self,
        workers: Workers,
        region: str,
        *,
        limits: Limits,
        meter: Meter,
        message_s: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._workers = workers
        self._region = region
        self._limits = limits
        self._meter = meter
        self._message_s = message_s
        self._now = now
        self._process = uuid4().hex
        self._history = deque([self._work()], maxlen=_SPAN_BEATS + 1)
        self._capacity_per_s: float | None = None
        self._tidied = False
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to beat, on the running event loop."""
        self._beating = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take the process off the list."""
        if self._beating is not None:
            await tasks.end(self._beating)
        try:
            await self._workers.forget(self._process)
        except Unavailable as error:
            log.warning("heartbeat.not_removed", error=str(error))

    async def beat(self) -> None:
        """Report once. Raises Unavailable without Redis."""
        load = self._load()
        report = WorkerReport(self._region, int(self._now()), self._limits, load)
        await self._workers.report(self._process, report)

    def _load(self) -> Load:
        """The load of the last minute; a quiet minute leaves what was known of the capacity."""
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
        """Should this end, a working process would count as gone until its restart."""
        await tasks.run_forever(self._beat_and_tidy, _ERRORS, pause_s=BEAT_S)

    async def _beat_and_tidy(self) -> None:
        await self.beat()
        if not self._tidied:
            await self._workers.forget_old(self._now())
            self._tidied = True
