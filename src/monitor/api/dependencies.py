"""The API's dependencies, opened and closed by the caller that creates the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from litestar.di import NamedDependency
from litestar.params import SkipValidation
from redis.asyncio import Redis

from monitor.domain import messages
from monitor.domain.messages import Outgoing
from monitor.domain.people import SessionLifetime
from monitor.runtime.logging import get_logger
from monitor.services.access.rate_limits import RateLimits
from monitor.services.bulk import export, imports
from monitor.services.bulk.export import Exporter
from monitor.services.bulk.imports import Importer
from monitor.services.bulk.places import Places
from monitor.services.reports.gather import Sources as ReportSources
from monitor.services.secrets.vault import Vault
from monitor.services.websites.latest import Sources
from monitor.services.workers.tick_store import TickStoreWatch
from monitor.storage.postgres.pool import Pool
from monitor.storage.timeseries.contract import DAILY_DAYS, KeptDays, TickStore

log = get_logger(__name__)

_SEND_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Open stores, ``send`` for queue messages, and ``clock``, which returns Unix seconds.

    ``reading`` is for short queries, and for recording the use of a key, which waits for no lock.
    ``pool`` is for changes and long-running work, so that readers never wait behind a blocked one.
    ``kept_days``: how long the tick store keeps what it has, as the settings say.
    ``directories``: where stores of this machine keep their data, by their names.
    """

    pool: Pool
    reading: Pool
    redis: Redis
    tick_store: TickStore
    send: Callable[[list[Outgoing]], Awaitable[None]]
    clock: Callable[[], float]
    vault: Vault = field(default_factory=Vault)
    limits: RateLimits = field(default_factory=RateLimits)
    session_lifetime: SessionLifetime = field(default_factory=SessionLifetime)
    imports: Places = field(init=False)
    tick_watch: TickStoreWatch = field(init=False)
    directories: Mapping[str, Path] = field(default_factory=dict)
    kept_days: KeptDays = field(default_factory=lambda: KeptDays(30, 400, DAILY_DAYS))
    report_turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    exports: Places = field(
        default_factory=lambda: Places("exports", export.MAX_CONCURRENT_EXPORTS)
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "imports", imports.places_of(self.pool))
        object.__setattr__(self, "tick_watch", TickStoreWatch(self.tick_store))

    def sources(self) -> Sources:
        """The stores that statuses are read from, as of now."""
        return Sources(self.reading, self.redis, self.clock())

    def reports(self) -> ReportSources:
        """The stores that reports are made from, as of now."""
        now_s = int(self.clock())
        stores = (self.reading, self.redis, self.tick_store)
        return ReportSources(*stores, self.kept_days, now_s, self.report_turns)

    def importer(self) -> Importer:
        """The dependencies of bulk imports."""
        return Importer(self.pool, self.clock, self.announce_changes, self.imports, self.vault)

    def exporter(self) -> Exporter:
        """The dependencies of exports."""
        return Exporter(self.pool, self.exports)

    async def announce_changes(self) -> None:
        """Trigger an immediate sync of committed changes to Redis.

        A failure only delays it: the sync that runs every minute picks up the change rows.
        """
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await self.send([messages.sync_changes()])
        except Exception as error:  # noqa: BLE001 - the change is committed, come what may
            log.warning("api.announcing_failed", error=type(error).__name__)


Deps = NamedDependency[SkipValidation[Dependencies]]
"""The type of a route's parameter ``deps``, through which it gets them."""
