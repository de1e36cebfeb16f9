"""Postgres, Redis and a clock to turn by hand, for tests of the services."""

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from monitor.channels import email
from monitor.domain.ids import uuid7
from monitor.domain.verdict import Verdict
from monitor.services.checks.region_worker import RegionWorker
from monitor.services.checks.slow_checks import SlowChecks
from monitor.services.incidents.record import IncidentRecorder
from monitor.services.scheduling.sync import ProjectionSync
from monitor.services.secrets.vault import Vault
from monitor.storage.postgres.pool import make_pool
from monitor.storage.redis.client import make_client
from monitor.storage.redis.projection import Projection
from monitor.storage.redis.regions import Regions
from monitor.storage.redis.states import States
from monitor.storage.redis.tick_buffer import TickBuffer
from monitor.storage.timeseries.grouped import GroupedWrites
from monitor.storage.timeseries.open import make_tick_store
from support.factories import START_S, insert_websites, outcome_up, state_change


class ScriptedProber:
    """Answers as told per URL; up where nothing is told. Counts its checks, and those in doubt.

    An event for an answer: the website hangs until it is set, and is up then.
    """

    def __init__(self):
        self.outcomes = {}
        self.checked = []
        self.in_doubt = []
        self.slots_s = []

    async def check(self, options, _begin_by_s=None, in_doubt=False, slot_s=None):
        self.checked.append(options.url)
        self.slots_s.append(slot_s)
        self.in_doubt.append(in_doubt)
        found = self.outcomes.get(options.url)
        if isinstance(found, Exception):
            raise found
        if isinstance(found, asyncio.Event):
            await found.wait()
            found = None
        return found or outcome_up()


class ScriptedConnectivity:
    def __init__(self):
        self.network = True
        self.refreshes = 0

    async def has_network(self, _lasted_s=0.0):
        return self.network

    def refresh(self):
        self.refreshes += 1


@dataclass
class World:
    pool: object
    redis: object
    ticks: object
    now_s: float = START_S
    prober: ScriptedProber = field(default_factory=ScriptedProber)
    connectivity: ScriptedConnectivity = field(default_factory=ScriptedConnectivity)
    slow_checks: SlowChecks = field(default_factory=lambda: SlowChecks(100))
    sent: list = field(default_factory=list)
    vault: Vault = field(default_factory=Vault)

    def now(self):
        return self.now_s

    @property
    def projection(self):
        return Projection(self.redis)

    @property
    def states(self):
        return States(self.redis)

    @property
    def projection_sync(self):
        return ProjectionSync(self.pool, self.redis, self.now)

    @property
    def buffer(self):
        return TickBuffer(self.redis, 2**20)

    def recorder(self, recipients=("ops@example.com",)):
        return IncidentRecorder(self.pool, self.states, email.recipients(recipients), self.now)

    async def send(self, outgoing):
        self.sent += outgoing

    def worker(self, region="europe"):
        return RegionWorker(
            region=region,
            projection=self.projection,
            states=self.states,
            regions=Regions(self.redis),
            ticks=GroupedWrites(self.ticks.write, linger_s=0),
            buffer=self.buffer,
            prober=self.prober,
            connectivity=self.connectivity,
            slow_checks=self.slow_checks,
            send=self.send,
            now=self.now,
            batch_wait_s=0.2,
            vault=self.vault,
        )

    async def execute(self, sql, *args):
        async with self.pool.connection() as connection:
            return await connection.execute(sql, args)

    async def rows(self, sql, *args):
        async with self.pool.connection() as connection:
            return await (await connection.execute(sql, args)).fetchall()

    async def add_region(self, name):
        await self.execute("INSERT INTO regions (name) VALUES (%s)", name)
        await self.execute("INSERT INTO changes (website_id) VALUES (NULL)")

    async def insert_websites(self, urls, **fields):
        async with self.pool.connection() as connection:
            await insert_websites(connection, urls, **fields)

    async def add_website(self, url="http://example.com/", *, regions=None, every=180, emails=()):
        website = uuid7(int(self.now_s * 1000), os.urandom(10))
        async with self.pool.connection() as c:
            await insert_websites(
                c, {website: url}, check_frequency=every, all_regions=regions is None,
                alert_emails=emails,
            )  # fmt: skip
            for region in regions or ():
                await c.execute("INSERT INTO website_regions VALUES (%s, %s)", [website, region])
            await c.execute(
                "INSERT INTO changes (website_id, check_now) VALUES (%s, true)", [website]
            )
        return website

    async def website_in(self, *regions, **options):
        """A website, and these regions, new both and known to the workers."""
        for region in regions:
            await self.add_region(region)
        website = await self.add_website(**options)
        await self.sync()
        return website

    async def hold_verdict(self, website, region, slot_s, verdict=Verdict.UP):
        """Let a region hold a verdict, as of its check for this slot."""
        states = await self.states.read({region: [website]})
        before = states[region, website].slot_s if states else 0
        change = state_change(website, verdict, slot_s=slot_s, before_s=before, since_s=slot_s)
        assert await self.states.write(region, [change]) == [change]

    async def sync(self):
        return await self.projection_sync.sync_changes()

    async def incidents(self, website: UUID):
        return await self.rows(
            "SELECT extract(epoch FROM started_at)::bigint,"
            " extract(epoch FROM resolved_at)::bigint, cause, regions FROM incidents"
            " WHERE website_id = %s ORDER BY started_at",
            website,
        )

    async def outbox(self):
        return await self.rows("SELECT event, recipient, state FROM notifications ORDER BY 1, 2")


@asynccontextmanager
async def open_world(database_url, redis_url):
    """A World on these servers."""
    pool = make_pool(database_url)
    await pool.open()
    redis = make_client(redis_url)
    ticks = make_tick_store(
        influxdb_url=None,
        influxdb_token=None,
        influxdb_org=None,
        influxdb_bucket="website_ticks",
        pool=pool,
        raw_days=30,
        rollup_days=400,
    )
    try:
        yield World(pool, redis, ticks)
    finally:
        await ticks.close()
        await redis.aclose()
        await pool.close()
