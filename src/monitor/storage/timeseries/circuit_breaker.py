"""A circuit breaker for tick writes: no batch waits for a store that has just failed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from monitor.domain.errors import Unavailable
from monitor.domain.outcome import Tick
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

Write = Callable[[Sequence[Tick]], Awaitable[None]]

RETRY_EVERY_S = 5.0
"""How often a failed store is tried again."""


class CircuitBreaker:
    """Passes ticks to ``write``; after a failure it refuses at once until a trial succeeds.

    Otherwise a store that hangs would hold every batch and its thread for the whole timeout: the
    region would check a fraction of its websites, and report its results that much later.
    """

    def __init__(self, write: Write, retry_every_s: float = RETRY_EVERY_S) -> None:
        self._write = write
        self._retry_every_s = retry_every_s
        self._failure: Unavailable | None = None
        self._retry_at = 0.0
        self._trial: asyncio.Task[None] | None = None

    async def write(self, ticks: Sequence[Tick]) -> None:
        """Store these ticks. Raises what ``write`` raises, or Unavailable while it is open.

        Refused ticks may be stored nevertheless: the trials use them.
        """
        if self._failure is not None:
            self._start_trial(ticks)
            raise Unavailable(self._failure.dependency, "failed recently")
        try:
            await self._write(ticks)
        except Unavailable as error:
            self._failed(error)
            raise

    def _failed(self, error: Unavailable) -> None:
        if self._failure is None:
            log.warning("ticks.store_failed", error=str(error))
        self._failure = error
        self._retry_at = time.monotonic() + self._retry_every_s

    def _start_trial(self, ticks: Sequence[Tick]) -> None:
        """Try to store these ticks in the background."""
        if self._trial is None and time.monotonic() >= self._retry_at:
            self._trial = asyncio.create_task(self._run_trial(list(ticks)))

    async def _run_trial(self, ticks: Sequence[Tick]) -> None:
        try:
            await self._write(ticks)
        except Unavailable as error:
            self._failed(error)
        except Exception:
            # Whatever it is, it must not prevent later trials.
            log.exception("ticks.trial_failed")
        else:
            log.info("ticks.store_is_back")
            self._failure = None
        finally:
            self._trial = None

    async def close(self) -> None:
        """Cancel a running trial: its ticks are buffered elsewhere."""
        if self._trial is not None:
            self._trial.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._trial
