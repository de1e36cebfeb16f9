"""Whether what is needed of the tick store can be read and written: asked once a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from monitor.domain.errors import Misconfigured, Unavailable
from monitor.runtime.logging import get_logger
from monitor.storage.timeseries.contract import TickStore

log = get_logger(__name__)

EVERY_S = 60.0
AFTER_PROBLEM_S = 5.0
"""Whoever has just corrected something does not want to wait."""


class TickStoreWatch:
    """The state of a tick store, at most a minute old; after a problem at most 5 s.

    With ``prepare`` it makes what is missing, where it may: central workers do.
    """

    def __init__(
        self,
        store: TickStore,
        *,
        prepare: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._prepare = prepare
        self._clock = clock
        self._problem: Unavailable | None = None
        self._remarks: Sequence[str] = ()
        self._stale_at = -1.0
        self._looking = asyncio.Lock()

    async def remarks(self) -> Sequence[str]:
        """What is not as it should be, but costs no tick: see ``TickStore.check``.

        Raises Misconfigured where something is missing, and Unavailable.
        """
        async with self._looking:
            if self._clock() >= self._stale_at:
                await self._look()
        if self._problem is not None:
            raise self._problem
        return self._remarks

    async def run(self) -> None:
        """Look for ever, so that callers need not wait and the log says what is wrong."""
        while True:
            async with self._looking:
                await self._look()
            await asyncio.sleep(EVERY_S if self._problem is None else AFTER_PROBLEM_S)

    async def _look(self) -> None:
        problem: Unavailable | None = None
        remarks: Sequence[str] = ()
        try:
            remarks = await self._checked()
        except Unavailable as error:
            problem = error
        except Exception as error:
            log.exception("tick_store.not_checked")
            problem = Unavailable("ticks", type(error).__name__)
        self._note(problem, remarks)

    async def _checked(self) -> Sequence[str]:
        if not self._prepare:
            return await self._store.check()
        try:
            if not (remarks := await self._store.check()):
                return remarks
        except Misconfigured:
            pass  # preparing may mend it, and says what it cannot
        await self._store.prepare()
        return await self._store.check()

    def _note(self, problem: Unavailable | None, remarks: Sequence[str]) -> None:
        """Log what is new, and remember it."""
        if problem is not None and str(problem) != str(self._problem):
            log.error("tick_store.not_usable", error=str(problem))
        elif problem is None and self._problem is not None:
            log.info("tick_store.usable_again")
        for remark in remarks:
            if remark not in self._remarks:
                log.warning("tick_store.remark", remark=remark)
        self._problem, self._remarks = problem, remarks
        if problem is None:
            self._stale_at = self._clock() + EVERY_S
        else:
            wait_s = AFTER_PROBLEM_S if isinstance(problem, Misconfigured) else 0.0
            self._stale_at = self._clock() + wait_s
