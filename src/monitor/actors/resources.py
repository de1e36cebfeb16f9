"""What a worker process holds open from boot to shutdown."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack

from prometheus_client import Counter, Gauge

from monitor import __version__
from monitor.channels import email
from monitor.channels.registry import Channels
from monitor.domain.capacity import WorkerLimits
from monitor.domain.errors import Unavailable
from monitor.metrics.loop_delay import measure_loop_delay
from monitor.metrics.prometheus import process_registry
from monitor.metrics.worker_metrics import ProcessMetrics, WorkerMetrics
from monitor.metrics.worker_stats import Meter
from monitor.probes.contract import ProbeSettings
from monitor.probes.net import groups
from monitor.probes.net.address_policy import AddressPolicy
from monitor.probes.net.reference_hosts import ConnectivityProbe
from monitor.probes.registry import Probers
from monitor.queue.broker import own_broker, send_all
from monitor.queue.middleware.message_metrics import MessageMetrics
from monitor.runtime import tasks
from monitor.runtime.settings import Settings
from monitor.services.checks.check import requeue_slow_checks
from monitor.services.checks.region_worker import RegionWorker
from monitor.services.checks.slow_checks import SlowChecks
from monitor.services.checks.ticks import TickUpkeep
from monitor.services.incidents.record import IncidentRecorder
from monitor.services.incidents.sweep import Sweep
from monitor.services.notifications.deliver import Deliverer
from monitor.services.notifications.outbox import Outbox
from monitor.services.reports.roll_ups import RollUps, kept_days
from monitor.services.scheduling.emit import BatchEmitter
from monitor.services.scheduling.projection_watch import ProjectionWatch
from monitor.services.scheduling.sync import CoalescedSync, ProjectionSync
from monitor.services.secrets.vault import Vault
from monitor.services.websites.hourly_figures import HourlyFigures
from monitor.services.websites.standings import StandingSweep
from monitor.services.workers import presence
from monitor.services.workers.clock import SharedClock
from monitor.services.workers.heartbeat import Heartbeat
from monitor.services.workers.tick_store import TickStoreWatch
from monitor.storage.postgres.pool import Pool, make_pool
from monitor.storage.redis.client import make_client
from monitor.storage.redis.minutes import DispatchedMinutes
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.staleness import Staleness
from monitor.storage.redis.states import States
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.redis.workers import Workers
from monitor.storage.timeseries.circuit_breaker import CircuitBreaker
from monitor.storage.timeseries.contract import TickStore
from monitor.storage.timeseries.grouped import GroupedWrites
from monitor.storage.timeseries.open import open_tick_store


class Resources:
    """Opened on the worker's event loop before it takes messages, closed after the last one.

    Nothing here waits for a server: each is connected to when it is first needed. Redis alone is
    asked for the time; until it answers, the host's clock has to do.
    """

    def __init__(self, settings: Settings, role: str) -> None:
        self.settings = settings
        self.registry = process_registry()
        self.messages = MessageMetrics(self.registry)
        self.clock = SharedClock()
        self.meter = Meter()
        self.registry.register(ProcessMetrics(role, self.meter))
        Gauge(
            "monitor_process_info", "What this process does, and its version; always 1.",
            ("role", "version"), registry=self.registry,
        ).labels(role, __version__).set(1)  # fmt: skip

    def check(self) -> None:
        """Raise SettingsError naming a setting that this worker cannot run without."""

    async def open(self) -> None:
        """Open everything, or nothing if one of it fails."""
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._opened = stack.pop_all()

    async def close(self) -> None:
        """Close everything in reverse order, whatever fails on the way."""
        await self._opened.aclose()

    async def _open(self, stack: AsyncExitStack) -> None:
        """Open what all workers need, each with its closing on the stack."""
        self.redis = make_client(self.settings.need("REDIS_URL"))
        stack.push_async_callback(self.redis.aclose)
        with contextlib.suppress(Unavailable):
            await self.clock.sync(self.redis)
        self.pool = await self._open_pool(stack)
        self.ticks = self._tick_store()
        stack.push_async_callback(self.ticks.close)
        self.buffer = TickBuffer(self.redis, self.settings.monitor_tick_buffer_bytes)
        stack.push_async_callback(
            tasks.end,
            asyncio.create_task(measure_loop_delay(self.meter.loop_delay_s)),
            asyncio.create_task(self.clock.run(self.redis)),
        )

    async def _open_pool(self, stack: AsyncExitStack) -> Pool | None:
        if self.settings.database_url is None:
            return None
        pool = make_pool(self.settings.database_url)
        stack.push_async_callback(pool.close, timeout=1.0)
        await pool.open(wait=False)
        return pool

    def _tick_store(self) -> TickStore:
        return open_tick_store(self.settings, self.pool, dropped=self.meter.dropped_points)


class RegionResources(Resources):
    """What checking needs: Redis, the tick store, and a way out to the websites."""

    worker: RegionWorker

    def __init__(self, settings: Settings, region: str) -> None:
        super().__init__(settings, f"region.{region}")
        self.region = region

    def check(self) -> None:
        self.settings.need("REDIS_URL")
        if self.settings.influxdb_url is None:
            self.settings.need("DATABASE_URL")

    async def _open_pool(self, stack: AsyncExitStack) -> Pool | None:
        """A region host never talks to Postgres, unless that is where the ticks are kept."""
        return None if self.settings.influxdb_url else await super()._open_pool(stack)

    async def _open(self, stack: AsyncExitStack) -> None:
        await super()._open(stack)
        s = self.settings
        self.connectivity = ConnectivityProbe(s.monitor_connectivity_targets)
        stack.push_async_callback(self.connectivity.close)
        self.prober = Probers(
            ProbeSettings(
                policy=AddressPolicy(s.monitor_allow_networks),
                dns_servers=s.monitor_dns_servers,
                concurrency=s.monitor_concurrency,
                known_chains=s.monitor_known_chains,
                handshakes=self.meter.handshakes,
            )
        )
        stack.push_async_callback(self.prober.close)
        self.breaker = CircuitBreaker(self.ticks.write)
        stack.push_async_callback(self.breaker.close)
        self.worker = self._region_worker()
        stack.push_async_callback(self.worker.ticks.close)
        stack.push_async_callback(self._requeue_slow_checks)
        self._serve_metrics()
        self.heartbeat = self._heartbeat()
        self.heartbeat.start()
        stack.push_async_callback(self.heartbeat.close)

    def _region_worker(self) -> RegionWorker:
        return RegionWorker(
            region=self.region,
            projection=Projection(self.redis),
            states=States(self.redis),
            regions=Regions(self.redis),
            ticks=GroupedWrites(self.breaker.write),
            buffer=self.buffer,
            prober=self.prober,
            connectivity=self.connectivity,
            slow_checks=SlowChecks(self.settings.monitor_concurrency),
            send=send_all,
            now=self.clock.now,
            meter=self.meter,
            vault=Vault(self.settings.monitor_encryption_keys),
        )

    async def _requeue_slow_checks(self) -> None:
        """Queue the checks in progress again, for other workers of the region."""
        await send_all(await requeue_slow_checks(self.worker))

    def _serve_metrics(self) -> None:
        prober, late = self.prober, self.worker.slow_checks
        self.registry.register(
            WorkerMetrics(
                self.region, self.meter, prober.limit, lambda: prober.under_way, lambda: len(late)
            )
        )

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(
            Workers(self.redis),
            self.region,
            limits=WorkerLimits(self.messages.threads, self.prober.limit),
            meter=self.meter,
            message_s=self.messages.held_s,
            now=self.clock.now,
            keys=self.worker.vault.fingerprints,
            groups=groups.offered(),
        )


class CentralResources(Resources):
    """What decisions, deliveries and upkeep need: Postgres, Redis, tick store, channels."""

    emitter: BatchEmitter
    recorder: IncidentRecorder
    sweep: Sweep
    standings: StandingSweep
    outbox: Outbox
    sync: ProjectionSync
    coalesced_sync: CoalescedSync
    watch: ProjectionWatch
    tick_upkeep: TickUpkeep
    roll_ups: RollUps

    def __init__(self, settings: Settings, role: str) -> None:
        super().__init__(settings, role)
        self.emitted = Counter(
            "monitor_batches_emitted", "Batches dispatched to the regions.", registry=self.registry
        )
        self.unsupported = Gauge(
            "monitor_outbox_unsupported_notifications",
            "Queued notifications that only newer workers can deliver; the same in all of them.",
            registry=self.registry,
        )

    def check(self) -> None:
        for name in ("REDIS_URL", "DATABASE_URL", "SMTP_HOST"):
            self.settings.need(name)
        self.settings.sender()

    async def _open(self, stack: AsyncExitStack) -> None:
        await super()._open(stack)
        s = self.settings
        assert self.pool is not None
        self.channels = Channels.open(s)
        stack.push_async_callback(self.channels.close)
        self.emitter = BatchEmitter(
            Projection(self.redis),
            Regions(self.redis),
            DispatchedMinutes(self.redis),
            own_broker(),
            s.monitor_batch_size,
        )
        states = States(self.redis)
        self.recorder = IncidentRecorder(
            self.pool, states, email.recipients(s.alert_email_to), self.clock.now
        )
        self.sweep = Sweep(self.recorder)
        self.standings = StandingSweep(
            self.pool, Projection(self.redis), Staleness(self.redis), states, self.clock.now
        )
        self.outbox = Outbox(Deliverer(self.pool, self.channels, self.clock.now), send_all)
        stack.push_async_callback(self.outbox.close)
        self.unsupported.set_function(lambda: self.outbox.unsupported)
        self.sync = ProjectionSync(self.pool, self.redis, self.clock.now)
        self.coalesced_sync = CoalescedSync(self.sync, send_all)
        self.watch = ProjectionWatch(self.sync, self.coalesced_sync, self.emitter)
        self.watch.start()
        stack.push_async_callback(self.watch.close)
        self.tick_upkeep = TickUpkeep(self.ticks, self.buffer, self.clock.now)
        figures = HourlyFigures(self.pool, self.ticks)
        self.roll_ups = RollUps(
            self.ticks, self.buffer, self.pool, kept_days(s), self.clock.now,
            figures.add, figures.mend, figures.beside,
        )  # fmt: skip
        here = asyncio.create_task(presence.report(self.redis, presence.CENTRAL))
        watch = asyncio.create_task(TickStoreWatch(self.ticks, prepare=True).run())
        stack.push_async_callback(tasks.end, here, watch)
