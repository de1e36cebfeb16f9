"""Whether a region still has a network: a region that lost its own reports no website as down."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence

from monitor.runtime import tasks
from monitor.runtime.logging import get_logger

_ERRORS = tasks.ErrorLog(
    get_logger(__name__), failed="network.probe_failed", unavailable="network.probe_failed"
)


class ConnectivityProbe:
    """Tells whether this region has a network, by connecting to reference hosts.

    One per event loop; close() releases it. A positive result says nothing about failures after
    it, so a caller waits for a probe that starts after its question. Callers share probes, which
    start at least ``min_gap_s`` apart. After a negative result the probe repeats itself every
    ``interval_s`` until the network is back; how the network was before that is unknown. Without
    targets the answer is always yes.
    """

    def __init__(
        self,
        targets: Sequence[tuple[str, int]],
        *,
        min_gap_s: float = 0.5,
        interval_s: float = 5.0,
        timeout_s: float = 3.0,
    ) -> None:
        self._targets = tuple(targets)
        self._min_gap_s, self._interval_s, self._timeout_s = min_gap_s, interval_s, timeout_s
        self._online = True
        self._probed_s = -math.inf
        self._online_since_s = -math.inf
        self._probing: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None

    async def has_network(self, lasted_s: float = 0.0) -> bool:
        """Whether there was a network for the last ``lasted_s`` seconds, as far as is known.

        Ask after the failure that is in doubt. True as soon as one target accepts a connection
        started since then; False where none does within the timeout.
        """
        if not self._targets:
            return True
        # Not the loop's time: it may stand still for a millisecond, in which a network can go.
        asked_s = time.monotonic()
        while self._online and self._probed_s < asked_s:
            await self._probe()
        return self._online and asked_s - lasted_s >= self._online_since_s

    def refresh(self) -> None:
        """Start a probe without waiting for it, at most every ``interval_s``.

        Call it while checks hang: they may time out only after the network is back, and by then
        the outage is known.
        """
        recently = time.monotonic() - self._probed_s < self._interval_s
        if self._targets and self._probing is None and not recently:
            self._probing = asyncio.create_task(self._probe_once())

    async def _probe(self) -> None:
        """Probe, or join the running probe; a caller that is cancelled does not cancel it."""
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe_once())
        await asyncio.shield(self._probing)

    async def _probe_once(self) -> None:
        try:
            await asyncio.sleep(self._probed_s + self._min_gap_s - time.monotonic())
            began_s = time.monotonic()
            online = await self._any_accepts()
            if online and not self._online:
                self._online_since_s = time.monotonic()
            self._online, self._probed_s = online, began_s
            if not online and (self._recovery is None or self._recovery.done()):
                self._recovery = asyncio.create_task(self._probe_until_online())
        finally:
            self._probing = None

    async def _probe_until_online(self) -> None:
        """Probe until the network is back, so that it is known since when."""

        async def probe_later() -> None:
            await asyncio.sleep(self._interval_s)  # nothing announces a network: it must be probed
            await self._probe()

        await tasks.run_forever(probe_later, _ERRORS, until=lambda: self._online)

    async def close(self) -> None:
        await tasks.end(*(t for t in (self._recovery, self._probing) if t is not None))

    async def _any_accepts(self) -> bool:
        attempts = [asyncio.create_task(_accepts(host, port)) for host, port in self._targets]
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
