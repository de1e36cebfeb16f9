"""Whether a region still has a network, so that one that lost it turns no website down."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence

from monitor.runtime import tasks
from monitor.runtime.logging import get_logger

_ERRORS = tasks.ErrorLog(
    get_logger(__name__), failed="network.look_failed", unavailable="network.look_failed"
)


class NetworkWitness:
    """Looks, by connecting to reference addresses, whether this region has a network.

    One per event loop; close() gives it back. A yes says nothing of what fails after it, so whoever
    asks waits for a look that begins later; callers share it, and looks begin ``apart_s`` apart at
    least, however many ask. A no holds: it looks by itself every ``again_s`` until it is a yes, and
    nothing is known of the time before. Without references the answer is always yes.
    """

    def __init__(
        self,
        references: Sequence[tuple[str, int]],
        *,
        apart_s: float = 0.5,
        again_s: float = 5.0,
        timeout_s: float = 3.0,
    ) -> None:
        self._references = tuple(references)
        self._apart_s, self._again_s, self._timeout_s = apart_s, again_s, timeout_s
        self._answer = True
        self._looked_s = -math.inf
        self._sure_since_s = -math.inf
        self._looking: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def has_network(self, lasted_s: float = 0.0) -> bool:
        """Whether there was a network in the last ``lasted_s`` seconds, as far as was seen.

        To be asked after what is doubted has failed. True as soon as one reference accepts a
        connection begun since; False where none does in time.
        """
        if not self._references:
            return True
        # Not the loop's time: that may stand still for a millisecond, in which a network can go.
        asked_s = time.monotonic()
        while self._answer and self._looked_s < asked_s:
            await self._look()
        return self._answer and asked_s - lasted_s >= self._sure_since_s

    def glance(self) -> None:
        """Look in passing, at most every ``again_s``; to be called when checks hang.

        They time out only after a network that was away for a few seconds is back; that it was
        away is then known.
        """
        recently = time.monotonic() - self._looked_s < self._again_s
        if self._references and self._looking is None and not recently:
            self._looking = asyncio.create_task(self._look_once())

    async def _look(self) -> None:
        """Look, or wait for the look under way: one that gives up does not take it from others."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_once())
        await asyncio.shield(self._looking)

    async def _look_once(self) -> None:
        try:
            await asyncio.sleep(self._looked_s + self._apart_s - time.monotonic())
            began_s = time.monotonic()
            answer = await self._any_accepts()
            if answer and not self._answer:
                self._sure_since_s = time.monotonic()
            self._answer, self._looked_s = answer, began_s
            if not answer and (self._waiting is None or self._waiting.done()):
                self._waiting = asyncio.create_task(self._wait())
        finally:
            self._looking = None

    async def _wait(self) -> None:
        """Look until there is a network again: so it is known since when there is."""

        async def look_later() -> None:
            await asyncio.sleep(self._again_s)  # nothing tells of a network but an answer
            await self._look()

        await tasks.run_forever(look_later, _ERRORS, until=lambda: self._answer)

    async def close(self) -> None:
        await tasks.end(*(t for t in (self._waiting, self._looking) if t is not None))

    async def _any_accepts(self) -> bool:
        attempts = [asyncio.create_task(_accepts(host, port)) for host, port in self._references]
        try:
            for attempt in asyncio.as_completed(attempts, timeout=self._timeout_s):
                if await attempt:
                    return True
        except TimeoutError:
            return False
        finally:
            for task in attempts:
                task.cancel()
            await asyncio.gather(*attempts, return_exceptions=True)
        return False


async def _accepts(host: str, port: int) -> bool:
    try:
        transport, _ = await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, host, port
        )
    except OSError:
        return False
    transport.abort()
    return True
