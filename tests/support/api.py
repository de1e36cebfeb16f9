"""The real API over real servers, with a clock to turn by hand and a record of what it sent."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields

import httpx
import psycopg
from msgspec.structs import replace

from monitor.api.app import create_app
from monitor.api.deadline import DEADLINE_S
from monitor.api.dependencies import Dependencies
from monitor.domain.access import Role
from monitor.domain.verdict import RegionState
from monitor.services.access.keys import create_key
from monitor.services.secrets.vault import Vault, new_key
from monitor.storage.postgres.pool import make_pool
from monitor.storage.redis import keys
from monitor.storage.redis.client import make_client
from monitor.storage.redis.states import pack
from monitor.storage.timeseries.open import make_tick_store
from support.factories import website_body

VAULT = Vault([new_key()])
"""Secrets are sealed, as they are wherever this is run in earnest."""

NOWHERE = "redis://127.0.0.1:1/0"
"""Where no Redis listens."""


@dataclass
class Api:
    app: object
    pool: object
    redis: object
    ticks: object
    keys: dict
    clients: dict
    now_s: float
    sent: list = field(default_factory=list)
    send_error: Exception | None = None
    deps: Dependencies | None = None

    async def send(self, outgoing):
        if self.send_error is not None:
            raise self.send_error
        self.sent += outgoing

    def client(self, role=Role.ADMIN):
        return self.clients[role]

    async def request(self, method, path, *, expect=None, role=Role.ADMIN, **kwargs):
        answer = await self.clients[role].request(method, path, **kwargs)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        if answer.status_code >= 400:
            assert_problem(answer)
        if expect is not None:
            assert answer.status_code == expect, answer.text
        return answer

    async def get(self, path, *, expect=200, **kwargs):
        return (await self.request("GET", path, expect=expect, **kwargs)).json()

    async def post(self, path, body, *, expect=201):
        return (await self.request("POST", path, json=body, expect=expect)).json()

    async def patch(self, path, body, *, expect=200):
        return (await self.request("PATCH", path, json=body, expect=expect)).json()

    async def delete(self, path, *, expect=204):
        return await self.request("DELETE", path, expect=expect)

    def importer(self, **options):
        """What the API imports with."""
        return replace_fields(self.deps.importer(), **options)

    async def lose_postgres(self):
        """From now on nobody reaches it."""
        await asyncio.gather(self.deps.pool.close(), self.deps.reading.close())

    async def add_regions(self, *names):
        for name in names:
            await self.post("/regions", {"name": name})

    async def add_website(self, **fields):
        self.now_s += 0.002  # ids are ordered by the millisecond, and floats are rounded
        return await self.post("/websites", website_body(**fields))

    async def rows(self, sql, *args):
        async with self.pool.connection() as connection:
            cursor = await connection.execute(sql, args)
            return await cursor.fetchall() if cursor.description else []

    async def take_changes(self):
        """The change rows since the last call: [(website or None, check_now)]."""
        return [
            (str(website) if website else None, now)
            for website, now in await self.rows(
                "DELETE FROM changes RETURNING website_id, check_now"
            )
        ]

    async def hold(self, website, region, verdict, *, age_s=10, since_s=None, **fields):
        """Have a region hold this verdict, from a check ``age_s`` seconds ago."""
        slot = int(self.now_s) - age_s
        state = RegionState(slot_s=slot, verdict=verdict, since_s=since_s or slot)
        raw_id = bytes.fromhex(website["id"].replace("-", ""))
        await self.redis.hset(keys.state(region), raw_id, pack(replace(state, **fields)))

    async def open_incident(self, website, started, *, resolved=None, how="recovered", **fields):
        """An incident row: times in Unix seconds."""
        columns = {"cause": "http_status", "status_code": 503, "evidence": "503", "regions": ["eu"]}
        columns |= fields
        await self.rows(
            "INSERT INTO incidents (id, website_id, started_at, resolved_at, resolution, cause,"
            " status_code, evidence, regions) VALUES (gen_random_uuid(), %s, to_timestamp(%s),"
            " to_timestamp(%s), %s, %s, %s, %s, %s)",
            website["id"],
            started,
            resolved,
            how if resolved else None,
            *columns.values(),
        )


def assert_problem(answer):
    """RFC 9457, with our extension members."""
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert {"type", "title", "status", "detail", "code"} <= problem.keys()
    assert "Traceback" not in answer.text
    return problem


_MANY_PARTITIONS = 30
"""Tests of long ago leave hundreds, each of which a DELETE would look into."""


def _empty_database(server):
    """Emptied for each test: that takes a tenth of the time that making one takes."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        row = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'api'").fetchone()
        if row is None or not _emptied(server.url("api")):
            connection.execute("DROP DATABASE IF EXISTS api WITH (FORCE)")
            connection.execute('CREATE DATABASE api TEMPLATE "monitor"')
    return server.url("api")


def _emptied(url):
    """Whether it could be emptied soon."""
    tables = ("websites", "regions", "changes", "api_keys", "ticks", "tick_rollups")
    tables += ("tick_days", "tick_histograms", "rolled_up_days")
    tables += ("users", "user_links", "sign_in_limits")
    tables += ("region_periods", "figures_as_of", "notifications", "bulk_imports", "audit_log")
    with psycopg.connect(url) as connection:
        (partitions,) = connection.execute("SELECT count(*) FROM pg_inherits").fetchone()
        if partitions > _MANY_PARTITIONS:
            return False
        for table in tables:
            connection.execute(f"DELETE FROM {table}")
    return True


@asynccontextmanager
async def running(database_url, redis_url, *, deadline_s=DEADLINE_S, **more):
    """The API; its clock stands at the real time of the start. ``more``: of its Dependencies."""
    more = {"vault": VAULT} | more
    redis = make_client(redis_url)
    async with (
        make_pool(database_url, max_size=6) as pool,
        make_pool(database_url, max_size=4) as reading,
    ):
        ticks = make_tick_store(
            influxdb_url=None, influxdb_token=None, influxdb_org=None, influxdb_bucket="",
            pool=reading, raw_days=30, rollup_days=400,
        )  # fmt: skip
        api = Api(None, pool, redis, ticks, {}, {}, 0.0)
        api.now_s = (await api.rows("SELECT extract(epoch FROM now())::float8"))[0][0]
        api.deps = Dependencies(pool, reading, redis, ticks, api.send, lambda: api.now_s, **more)
        api.app = create_app(api.deps, deadline_s=deadline_s)
        for role in [None, *Role]:
            headers = {}
            if role is not None:
                api.keys[role] = await create_key(pool, f"tests {role}", role)
                headers = {"Authorization": f"Bearer {api.keys[role]}"}
            transport = httpx.ASGITransport(api.app, raise_app_exceptions=False)
            api.clients[role] = httpx.AsyncClient(
                transport=transport, base_url="http://testserver", headers=headers
            )
        try:
            yield api
        finally:
            await redis.aclose()


def open_api(postgres_server, redis_url, **more):
    """The API over an empty database that such tests share. ``more``: of its Dependencies."""
    return running(_empty_database(postgres_server), redis_url, **more)
