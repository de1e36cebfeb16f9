"""Writing ticks without waiting for a store that has just failed."""

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

TRY_EVERY_S = 5.0
"""While a store fails it is asked so often whether it is back."""


class GuardedWrites:
    """Hands ticks to ``write``; after a failure refuses at once until one has gone through.

    A store that hangs would otherwise hold every batch, and its thread, for the whole time-out:
    a region would check a fraction of its websites, and tell of what it found that much later.
    """

    def __init__(self, write: Write, try_every_s: float = TRY_EVERY_S) -> None:
        self._write = write
        self._try_every_s = try_every_s
        self._failure: Unavailable | None = None
        self._try_at = 0.0
        self._trial: asyncio.Task[None] | None = None

    async def write(self, ticks: Sequence[Tick]) -> None:
        """Store these ticks. Raises what ``write`` raises, or Unavailable because it did lately.

        Of what is refused here some may be stored all the same: it is what is tried with.
        """
        if self._failure is not None:
            self._try(ticks)
            raise Unavailable(self._failure.dependency, "failed lately and is not waited for")
        try:
            await self._write(ticks)
        except Unavailable as error:
            self._failed(error)
            raise

    def _failed(self, error: Unavailable) -> None:
        if self._failure is None:
            log.warning("ticks.store_failed", error=str(error))
        self._failure = error
        self._try_at = time.monotonic() + self._try_every_s

    def _try(self, ticks: Sequence[Tick]) -> None:
        """See beside the caller's work whether the store takes these."""
        if self._trial is None and time.monotonic() >= self._try_at:
            self._trial = asyncio.create_task(self._one_trial(list(ticks)))

    async def _one_trial(self, ticks: Sequence[Tick]) -> None:
        try:
            await self._write(ticks)
        except Unavailable as error:
            self._failed(error)
        except Exception:
            # Whatever it is, it must not keep later trials from being made.
            log.exception("ticks.trial_failed")
        else:
            log.info("ticks.store_is_back")
            self._failure = None
        finally:
            self._trial = None

    async def close(self) -> None:
        """Give up a trial that is under way: its ticks are kept elsewhere."""
        if self._trial is not None:
            self._trial.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._trial
