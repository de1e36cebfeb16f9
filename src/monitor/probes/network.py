"""Whether a region still has a network, so that one that lost it turns no website down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence


class NetworkWitness:
    """Asks reference addresses, by connecting to them, whether this region has a network.

    One per event loop. An answer holds for ``ttl_s``; callers that come while it is being
    found share it. Without references the answer is always yes.
    """

    def __init__(
        self, references: Sequence[tuple[str, int]], *, ttl_s: float = 5.0, timeout_s: float = 3.0
    ) -> None:
        self._references = tuple(references)
        self._ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._answer = True
        self._valid_until_s = 0.0
        self._asking: asyncio.Task[bool] | None = None

    async def has_network(self) -> bool:
        """True as soon as one reference accepts a connection; False where none does in time."""
        if not self._references:
            return True
        if self._asking is None:
            if asyncio.get_running_loop().time() < self._valid_until_s:
                return self._answer
            self._asking = asyncio.create_task(self._ask())
        # One caller that gives up does not take the answer from the others.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        try:
            self._answer = await self._any_accepts()
            self._valid_until_s = asyncio.get_running_loop().time() + self._ttl_s
            return self._answer
        finally:
            self._asking = None

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
