"""What a worker process holds open: made when it boots, given back when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from importlib.metadata import version
from typing import Any

import dramatiq
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import Middleware
from prometheus_client import Counter, Gauge

from monitor.channels.email.smtp import EmailChannel
from monitor.domain.capacity import Limits
from monitor.domain.errors import Unavailable
from monitor.metrics.loop_delay import measure_loop_delay
from monitor.metrics.prometheus import process_registry
from monitor.metrics.worker_metrics import LoopMetrics, WorkerMetrics
from monitor.metrics.worker_stats import Meter
from monitor.probes.http.prober import HttpProber
from monitor.probes.net.address_policy import AddressPolicy
from monitor.probes.net.reference_hosts import NetworkWitness
from monitor.queue.broker import Broker, send_all
from monitor.queue.middleware.message_metrics import MessageMetrics
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger
from monitor.runtime.settings import Settings
from monitor.services.checks.check import hand_back
from monitor.services.checks.region_worker import RegionWorker
from monitor.services.checks.slow_checks import Stragglers
from monitor.services.checks.ticks import Keeper
from monitor.services.incidents.record import Recorder
from monitor.services.notifications.deliver import Courier
from monitor.services.notifications.outbox import Outbox
from monitor.services.scheduling.emit import Emitter
from monitor.services.scheduling.projection_watch import ProjectionWatch
from monitor.services.scheduling.sync import Syncer, SyncTurns
from monitor.services.secrets.vault import Vault
from monitor.services.workers.clock import SharedClock
from monitor.services.workers.heartbeat import Heartbeat
from monitor.storage.postgres.pool import Pool, make_pool
from monitor.storage.redis.client import make_client
from monitor.storage.redis.minutes import Minutes
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.states import States
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.redis.workers import Workers
from monitor.storage.timeseries.circuit_breaker import GuardedWrites
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
        ).labels(role, version("monitor")).set(1)  # fmt: skip

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
            await self.clock.look(self.redis)
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
        self.prober = HttpProber(
            policy=AddressPolicy(self.settings.monitor_allow_networks),
            dns_servers=self.settings.monitor_dns_servers,
            concurrency=self.settings.monitor_concurrency,
        )
        self.witness = NetworkWitness(self.settings.monitor_connectivity_targets)
        self.guarded = GuardedWrites(self.ticks.write)
        self.worker = RegionWorker(
            region=self.region,
            projection=Projection(self.redis),
            states=States(self.redis),
            regions=Regions(self.redis),
            ticks=GroupedWrites(self.guarded.write),
            buffer=self.buffer,
            prober=self.prober,
            witness=self.witness,
            stragglers=Stragglers(self.settings.monitor_concurrency),
            send=send_all,
            now=self.clock.now,
            meter=self.meter,
            vault=Vault(self.settings.monitor_encryption_keys),
        )
        self._tell()

    def _tell(self) -> None:
        """Show what this worker does: in its own metrics, and in Redis for those of the API."""
        slots, prober, late = self.settings.monitor_concurrency, self.prober, self.worker.stragglers
        self.registry.register(
            WorkerMetrics(
                self.region, self.meter, slots, lambda: prober.under_way, lambda: len(late)
            )
        )
        limits = Limits(self.messages.threads, slots)
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
        await send_all(await hand_back(self.worker))
        await self.worker.ticks.close()
        await self.guarded.close()
        await self.prober.close()
        await self.witness.close()
        await super().close()


class CentralResources(Resources):
    """What deciding, telling and upkeep need: Postgres, Redis, the tick store, a mail server."""

    emitter: Emitter
    recorder: Recorder
    outbox: Outbox
    syncer: Syncer
    sync_turns: SyncTurns
    watch: ProjectionWatch
    keeper: Keeper

    def __init__(self, settings: Settings, role: str) -> None:
        super().__init__(settings, role)
        self.emitted = Counter(
            "monitor_batches_emitted", "Batches given out to the regions.", registry=self.registry
        )

    def check(self) -> None:
        for name in ("REDIS_URL", "DATABASE_URL", "SMTP_HOST"):
            self.settings.need(name)

    async def open(self) -> None:
        await super().open()
        s = self.settings
        assert self.pool is not None
        channel = EmailChannel(
            host=s.need("SMTP_HOST"),
            port=s.smtp_port,
            user=s.smtp_user,
            password=s.smtp_pass,
            tls=s.smtp_tls,
            sender=s.smtp_from,
        )
        self.emitter = Emitter(
            Projection(self.redis),
            Regions(self.redis),
            Minutes(self.redis),
            own_broker(),
            s.monitor_batch_size,
        )
        self.recorder = Recorder(self.pool, States(self.redis), s.alert_email_to, self.clock.now)
        self.outbox = Outbox(Courier(self.pool, channel, s.smtp_from, self.clock.now), send_all)
        self.syncer = Syncer(self.pool, self.redis, self.clock.now)
        self.sync_turns = SyncTurns(self.syncer, send_all)
        self.watch = ProjectionWatch(self.syncer, self.sync_turns, self.emitter)
        self.watch.start()
        self.keeper = Keeper(self.ticks, self.buffer, self.clock.now)

    async def close(self) -> None:
        await self.watch.close()
        await self.outbox.close()
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
