"""What the API depends on, opened and closed by whoever creates the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from litestar.di import NamedDependency
from litestar.params import SkipValidation
from redis.asyncio import Redis

from monitor.domain import messages
from monitor.domain.messages import Outgoing
from monitor.runtime.event_loop import Slots
from monitor.runtime.logging import get_logger
from monitor.services.access.rate_limits import RateLimits
from monitor.services.bulk import export, imports
from monitor.services.bulk.export import Exporter
from monitor.services.bulk.imports import Importer
from monitor.services.secrets.vault import Vault
from monitor.services.websites.latest import Sources
from monitor.storage.postgres.pool import Pool
from monitor.storage.timeseries.contract import TickStore

log = get_logger(__name__)

_SEND_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Open stores, ``send`` for queue messages, and ``clock``: Unix seconds.

    ``reading`` is for short queries, and for noting that a key was used, which waits for no lock.
    ``pool`` is for changes and whatever holds a connection for long: when those are blocked,
    readers must not wait behind them.
    """

    pool: Pool
    reading: Pool
    redis: Redis
    tick_store: TickStore
    send: Callable[[list[Outgoing]], Awaitable[None]]
    clock: Callable[[], float]
    vault: Vault = field(default_factory=Vault)
    limits: RateLimits = field(default_factory=RateLimits)
    imports: Slots = field(default_factory=lambda: Slots("imports", imports.AT_ONCE))
    exports: Slots = field(default_factory=lambda: Slots("exports", export.AT_ONCE))

    def sources(self) -> Sources:
        """Where statuses are read from, as of now."""
        return Sources(self.reading, self.redis, self.clock())

    def importer(self) -> Importer:
        """What a bulk import needs."""
        return Importer(self.pool, self.clock, self.announce_changes, self.imports, self.vault)

    def exporter(self) -> Exporter:
        """What an export needs."""
        return Exporter(self.pool, self.exports)

    async def announce_changes(self) -> None:
        """Have Redis follow a committed change at once.

        The change row is committed and the minute's sync finds it: a failure only costs time.
        """
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await self.send([messages.sync_changes()])
        except Exception as error:  # noqa: BLE001 - whatever the broker raises, the change stands
            log.warning("api.announcing_failed", error=type(error).__name__)


Deps = NamedDependency[SkipValidation[Dependencies]]
"""How a route asks for them: a parameter ``deps: Deps``."""
