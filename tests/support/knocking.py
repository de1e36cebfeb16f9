"""A check kind made up for tests: a port is up if it greets us with the word it should."""

from __future__ import annotations

import asyncio
import contextlib
import math

from msgspec import Struct

from monitor.domain.outcome import Outcome, Reason, Result, Timings
from monitor.probes.net.deadlines import Deadlines, timed_out
from monitor.probes.net.reasons import down, not_measured


class KnockOptions(Struct, frozen=True, tag="knock", tag_field="kind"):
    host: str
    port: int
    word: str = "welcome"
    check_frequency: int = 180
    request_timeout: int = 15


class KnockProber:
    def __init__(self, settings):
        self._loop = asyncio.get_running_loop()
        self._policy = settings.policy
        self._deadlines = Deadlines(self._loop)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._closed = False
        self.limit = settings.concurrency
        self.under_way = 0

    async def check(self, options, begin_by_s=math.inf, *_):
        async with self._slots:
            if self._loop.time() > begin_by_s:
                return Outcome(Result.NOT_MEASURED, Reason.REGION_BUSY)
            if self._closed:
                return Outcome(Result.NOT_MEASURED, Reason.INTERNAL_ERROR)
            self.under_way += 1
            try:
                return await self._within_time(options)
            finally:
                self.under_way -= 1

    async def close(self):
        self._closed = True
        self._deadlines.expire_all()

    async def _within_time(self, options):
        began_s, task = self._loop.time(), asyncio.current_task()
        group = self._deadlines.watch(began_s + options.request_timeout, task)
        try:
            finding = await self._knock(options)
        except asyncio.CancelledError:
            if not timed_out(group, task):
                raise
            finding = down(Reason.RESPONSE_TIMEOUT, f"no word within {options.request_timeout} s")
            if self._closed:
                finding = not_measured(Reason.INTERNAL_ERROR, "closed during the check")
        except OSError as error:
            finding = down(Reason.CONNECTION_REFUSED, str(error))
        except Exception as error:  # noqa: BLE001 - a check says what it found, always
            finding = not_measured(Reason.INTERNAL_ERROR, type(error).__name__)
        finally:
            group.tasks.discard(task)
        if finding is None:
            ms = (self._loop.time() - began_s) * 1000
            return Outcome(Result.UP, response_ms=ms, timings=Timings(wait_ms=ms))
        return Outcome(finding.result, finding.reason, evidence=finding.evidence)

    async def _knock(self, options):
        """What was found instead of the word; None: the word."""
        if self._policy.refuses(options.host):
            return down(Reason.BLOCKED_TARGET, options.host)
        reader, writer = await asyncio.open_connection(options.host, options.port)
        try:
            word = (await reader.readline()).decode(errors="replace").strip()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        if word == options.word:
            return None
        return down(Reason.INVALID_RESPONSE, f"instead of {options.word}: {word}")
