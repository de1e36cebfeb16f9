"""Whether a region still has a network, so that one that lost it turns no website down."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence


class NetworkWitness:
    """Asks reference addresses, by connecting to them, whether this region has a network.

    One per event loop; close() gives it back. An answer holds for ``ttl_s``; callers that come
    while it is being found share it. Once the answer was no, it asks by itself until it is yes, and
    nothing is known of the time before. Without references the answer is always yes.
    """

    def __init__(
        self, references: Sequence[tuple[str, int]], *, ttl_s: float = 5.0, timeout_s: float = 3.0
    ) -> None:
        self._references = tuple(references)
        self._ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._answer = True
        self._valid_until_s = 0.0
        self._sure_since_s = -math.inf
        self._asking: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def has_network(self, lasted_s: float = 0.0, *, anew: bool = False) -> bool:
        """Whether there was a network in the last ``lasted_s`` seconds, as far as was seen.

        True as soon as one reference accepts a connection; False where none does in time. With
        ``anew`` a yes is not taken from before: the network may have gone since.
        """
        if not self._references:
            return True
        now_s = asyncio.get_running_loop().time()
        if self._asking is None and (now_s >= self._valid_until_s or (anew and self._answer)):
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            # One caller that gives up does not take the answer from the others.
            await asyncio.shield(self._asking)
        return self._answer and now_s - lasted_s >= self._sure_since_s

    async def _ask(self) -> None:
        try:
            answer = await self._any_accepts()
            now_s = asyncio.get_running_loop().time()
            if answer and not self._answer:
                self._sure_since_s = now_s
            self._answer, self._valid_until_s = answer, now_s + self._ttl_s
            if not answer and (self._waiting is None or self._waiting.done()):
                self._waiting = asyncio.create_task(self._wait())
        finally:
            self._asking = None

    async def _wait(self) -> None:
        """Ask until there is a network again: so it is known since when there is."""
        while not self._answer:
            await asyncio.sleep(self._ttl_s)  # nothing tells of a network but an answer
            await self.has_network()

    async def close(self) -> None:
        tasks = [task for task in (self._waiting, self._asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
