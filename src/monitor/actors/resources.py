"""What a worker process holds open: made when it boots, given back when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import dramatiq
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import Middleware
from prometheus_client import Counter, Gauge

from monitor import __version__
from monitor.channels.registry import Channels
from monitor.domain.capacity import WorkerLimits
from monitor.domain.errors import Unavailable
from monitor.metrics.loop_delay import measure_loop_delay
from monitor.metrics.prometheus import process_registry
from monitor.metrics.worker_metrics import LoopMetrics, WorkerMetrics
from monitor.metrics.worker_stats import Meter
from monitor.probes.contract import ProbeSettings
from monitor.probes.net.address_policy import AddressPolicy
from monitor.probes.net.reference_hosts import ConnectivityProbe
from monitor.probes.registry import Probers
from monitor.queue.broker import Broker, send_all
from monitor.queue.middleware.message_metrics import MessageMetrics
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.runtime.settings import Settings
from monitor.services.checks.check import requeue_slow_checks
from monitor.services.checks.region_worker import RegionWorker
from monitor.services.checks.slow_checks import SlowChecks
from monitor.services.checks.ticks import TickUpkeep
from monitor.services.incidents.record import IncidentRecorder
from monitor.services.incidents.sweep import Sweep
from monitor.services.notifications.deliver import Deliverer
from monitor.services.notifications.outbox import Outbox
from monitor.services.scheduling.emit import BatchEmitter
from monitor.services.scheduling.projection_watch import ProjectionWatch
from monitor.services.scheduling.sync import CoalescedSync, ProjectionSync
from monitor.services.secrets.vault import Vault
from monitor.services.workers.clock import SharedClock
from monitor.services.workers.heartbeat import Heartbeat
from monitor.storage.postgres.pool import Pool, make_pool
from monitor.storage.redis.client import make_client
from monitor.storage.redis.minutes import DispatchedMinutes
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.states import States
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.redis.workers import Workers
from monitor.storage.timeseries.circuit_breaker import CircuitBreaker
from monitor.storage.timeseries.contract import TickStore
from monitor.storage.timeseries.grouped import GroupedWrites
from monitor.storage.timeseries.open import make_tick_store

log = get_logger(__name__)


class Resources(Middleware):
    """Opens on the worker's event loop before it takes messages, closes after the last one.

    Nothing here waits for a server: each is connected to when it is first needed. Redis alone is
    asked what time it is, and if it does not say, the host's clock has to do until it does.
    """

    def __init__(self, settings: Settings, role: str) -> None:
        self.settings = settings
        self.registry = process_registry()
        self.messages = MessageMetrics(self.registry)
        self.clock = SharedClock()
        self.meter = Meter()
        self.registry.register(LoopMetrics(role, self.meter))
        Gauge(
            "monitor_process_info", "What this process does, and its version; always 1.",
            ("role", "version"), registry=self.registry,
        ).labels(role, __version__).set(1)  # fmt: skip

    def check(self) -> None:
        """Raise SettingsError naming a setting that this worker cannot do without."""

    def before_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        _run(self.open())

    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        _run(self.close())

    async def open(self) -> None:
        """Make the clients; on failure the process ends: it could do nothing."""
        self.redis = make_client(self.settings.need("REDIS_URL"))
        with contextlib.suppress(Unavailable):
            await self.clock.sync(self.redis)
        self.pool = await self._open_pool()
        self.ticks = self._tick_store()
        self.buffer = TickBuffer(self.redis, self.settings.monitor_tick_buffer_bytes)
        self._beside = [
            asyncio.create_task(measure_loop_delay(self.meter.loop_delay_s)),
            asyncio.create_task(self.clock.run(self.redis)),
        ]

    async def close(self) -> None:
        await tasks.end(*self._beside)
        await self.ticks.close()
        if self.pool is not None:
            await self.pool.close(timeout=1.0)
        await self.redis.aclose()

    async def _open_pool(self) -> Pool | None:
        if self.settings.database_url is None:
            return None
        pool = make_pool(self.settings.database_url)
        await pool.open(wait=False)
        return pool

    def _tick_store(self) -> TickStore:
        s = self.settings
        return make_tick_store(
            influxdb_url=s.influxdb_url,
            influxdb_token=s.influxdb_token,
            influxdb_org=s.influxdb_org,
            influxdb_bucket=s.influxdb_bucket,
            pool=self.pool,
            raw_days=s.monitor_raw_days,
            rollup_days=s.monitor_rollup_days,
        )


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

    async def _open_pool(self) -> Pool | None:
        """A region host never talks to Postgres, unless that is where the ticks are kept."""
        return None if self.settings.influxdb_url else await super()._open_pool()

    async def open(self) -> None:
        await super().open()
        self.prober = Probers(
            ProbeSettings(
                policy=AddressPolicy(self.settings.monitor_allow_networks),
                dns_servers=self.settings.monitor_dns_servers,
                concurrency=self.settings.monitor_concurrency,
            )
        )
        self.connectivity = ConnectivityProbe(self.settings.monitor_references)
        self.breaker = CircuitBreaker(self.ticks.write)
        self.worker = RegionWorker(
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
        self._tell()

    def _tell(self) -> None:
        """Show what this worker does: in its own metrics, and in Redis for those of the API."""
        prober, late = self.prober, self.worker.slow_checks
        self.registry.register(
            WorkerMetrics(
                self.region, self.meter, prober.limit, lambda: prober.under_way, lambda: len(late)
            )
        )
        limits = WorkerLimits(self.messages.threads, prober.limit)
        self.heartbeat = Heartbeat(
            Workers(self.redis),
            self.region,
            limits=limits,
            meter=self.meter,
            message_s=self.messages.held_s,
            now=self.clock.now,
        )
        self.heartbeat.start()

    async def close(self) -> None:
        await self.heartbeat.close()
        await send_all(await requeue_slow_checks(self.worker))
        await self.worker.ticks.close()
        await self.breaker.close()
        await self.prober.close()
        await self.connectivity.close()
        await super().close()


class CentralResources(Resources):
    """What deciding, telling and upkeep need: Postgres, Redis, the tick store, channels."""

    emitter: BatchEmitter
    recorder: IncidentRecorder
    sweep: Sweep
    outbox: Outbox
    sync: ProjectionSync
    coalesced_sync: CoalescedSync
    watch: ProjectionWatch
    tick_upkeep: TickUpkeep

    def __init__(self, settings: Settings, role: str) -> None:
        super().__init__(settings, role)
        self.emitted = Counter(
            "monitor_batches_emitted", "Batches given out to the regions.", registry=self.registry
        )
        self.unsupported = Gauge(
            "monitor_outbox_unsupported_notifications",
            "Queued notifications whose channel only a newer version of workers knows.",
            registry=self.registry,
        )

    def check(self) -> None:
        for name in ("REDIS_URL", "DATABASE_URL", "SMTP_HOST"):
            self.settings.need(name)

    async def open(self) -> None:
        await super().open()
        s = self.settings
        assert self.pool is not None
        self.channels = Channels.open(s)
        self.emitter = BatchEmitter(
            Projection(self.redis),
            Regions(self.redis),
            DispatchedMinutes(self.redis),
            own_broker(),
            s.monitor_batch_size,
        )
        states = States(self.redis)
        self.recorder = IncidentRecorder(self.pool, states, s.alert_email_to, self.clock.now)
        self.sweep = Sweep(self.recorder)
        self.outbox = Outbox(Deliverer(self.pool, self.channels, self.clock.now), send_all)
        self.unsupported.set_function(lambda: self.outbox.unsupported)
        self.sync = ProjectionSync(self.pool, self.redis, self.clock.now)
        self.coalesced_sync = CoalescedSync(self.sync, send_all)
        self.watch = ProjectionWatch(self.sync, self.coalesced_sync, self.emitter)
        self.watch.start()
        self.tick_upkeep = TickUpkeep(self.ticks, self.buffer, self.clock.now)

    async def close(self) -> None:
        await self.watch.close()
        await self.outbox.close()
        await self.channels.close()
        await super().close()


def own_broker() -> Broker:
    broker = dramatiq.get_broker()
    assert isinstance(broker, Broker)
    return broker


def _run(coroutine: Any) -> None:
    thread = get_event_loop_thread()
    assert thread is not None
    try:
        thread.run_coroutine(coroutine)
    except Exception:
        # Dramatiq would only log this and go on with a worker that cannot work.
        log.exception("worker.resources_failed")
        raise SystemExit(1) from None
