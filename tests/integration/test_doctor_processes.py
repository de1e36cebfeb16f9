"""`monitor doctor` on processes, regions, keys and what is stored."""

import asyncio

import psycopg
import pytest

from monitor import __version__
from monitor.domain.capacity import Load, WorkerLimits
from monitor.domain.ring import Ring
from monitor.probes.net.groups import CONFIGURATION
from monitor.services.secrets.vault import Vault, new_key
from monitor.storage.redis import keys as redis_keys
from monitor.storage.redis.client import client
from monitor.storage.redis.processes import Process, Processes
from monitor.storage.redis.workers import WorkerReport, Workers
from support.closing import down
from support.doctor import doctor
from support.secretive import SECRETS
from support.served_api import served


@pytest.fixture
def stores(database_url, redis_url):
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


async def report(redis_url, *, role="api", version=__version__, keys=(), ago_s=0):
    async with client(redis_url) as redis:
        at_s = int((await redis.time())[0]) - ago_s
        found = Process(role, version, at_s, list(Vault(keys).fingerprints))
        await Processes(redis).report(f"{role} {version}", found)


async def report_worker(redis_url, region="europe", *, keys=(), groups=None):
    async with client(redis_url) as redis:
        at_s = int((await redis.time())[0])
        limits, load = WorkerLimits(4, 2000), Load(0.0, 0.0, None)
        told = list(Vault(keys).fingerprints)
        found = WorkerReport(region, at_s, limits, load, told, __version__, groups)
        await Workers(redis).report(f"{region} {keys}", found)


async def test_processes_that_were_not_heard_of_are_named(stores):
    # given
    await report(stores["REDIS_URL"])
    await report(stores["REDIS_URL"], role="central", ago_s=60)
    # when
    seen = await doctor(**stores)
    # then
    assert (seen.code, seen.state("processes")) == (1, "failed")
    assert "not heard of for 45 s: central worker, scheduler" in seen.words("processes")
    assert "start `dramatiq monitor.actors`, `periodiq monitor.actors`" in seen.words("processes")
    # when
    for role in ("central", "scheduler"):
        await report(stores["REDIS_URL"], role=role)
    await report(stores["REDIS_URL"], version="0.0.9")
    seen = await doctor(**stores)
    # then
    assert seen.state("processes") == "ok"
    assert seen.state("versions") == "warning"
    assert "1 x API (0.0.9)" in seen.words("versions")


async def test_a_region_without_a_worker_is_named(stores):
    # given
    with psycopg.connect(stores["DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO regions (name, description) VALUES ('europe', '')")
    # when
    before = await doctor(**stores)
    async with client(stores["REDIS_URL"]) as redis:
        await redis.sadd(redis_keys.RINGS, "europe:60")
        await redis.zadd(redis_keys.ring(Ring("europe", 60)), {b"x" * 16: 1})
    due = await doctor(**stores)
    await report_worker(stores["REDIS_URL"])
    after = await doctor(**stores)
    # then
    assert before.state("regions") == "warning"
    assert (due.code, due.state("regions")) == (1, "failed")
    assert "no worker checks the websites of europe" in due.words("regions")
    assert "MONITOR_REGION=europe dramatiq" in due.words("regions")
    assert "europe: 1 website, 1 worker" in after.words("regions")


async def test_workers_that_make_dear_keys_are_a_warning_with_the_file(stores):
    # given
    await report_worker(stores["REDIS_URL"], groups=[4588, 29, 23])
    # when
    seen = await doctor(**stores)
    # then
    assert seen.state("tls groups") == "warning"
    assert f"OPENSSL_CONF set to monitor's openssl.cnf, {CONFIGURATION}" in seen.words("tls groups")


def test_keys_that_differ_and_secrets_that_nobody_reads_are_named(stores, tmp_path):
    # given
    key, other = new_key(), new_key()
    url = stores["REDIS_URL"]
    with served(*stores.values(), tmp_path, MONITOR_ENCRYPTION_KEYS=key) as api:
        assert api.http.post("/websites", json={"url": "https://a.example", **SECRETS}).is_success
    asyncio.run(report(url, keys=[key]))
    asyncio.run(report_worker(url, keys=[key]))
    # when
    well = asyncio.run(doctor(**stores, MONITOR_ENCRYPTION_KEYS=key))
    unset = asyncio.run(doctor(**stores))
    wrong = asyncio.run(doctor(**stores, MONITOR_ENCRYPTION_KEYS=other))
    # then
    assert (well.state("keys"), well.state("secrets")) == ("ok", "ok"), well.printed
    assert (unset.state("keys"), unset.state("secrets")) == ("ok", "skipped")
    assert (wrong.state("keys"), wrong.state("secrets")) == ("warning", "failed")
    assert "these keys do not decrypt those of 1 website (1 tried)" in wrong.words("secrets")
    # when
    asyncio.run(report_worker(url, "asia", keys=[other]))
    lacking = asyncio.run(doctor(**stores, MONITOR_ENCRYPTION_KEYS=key))
    asyncio.run(report(url, keys=[other]))
    torn = asyncio.run(doctor(**stores, MONITOR_ENCRYPTION_KEYS=key))
    # then
    assert (lacking.code, lacking.state("keys")) == (1, "failed")
    assert "without the key that the API encrypts with: worker of asia" in lacking.words("keys")
    assert "encrypt with different keys" in torn.words("keys")
    assert not any(k in seen.printed for k in (key, other) for seen in (well, wrong, torn))


def test_secrets_in_the_clear_are_a_warning_with_the_command(stores, tmp_path):
    # given
    with served(*stores.values(), tmp_path) as api:
        assert api.http.post("/websites", json={"url": "https://a.example", **SECRETS}).is_success
    # when
    without, with_key = (
        asyncio.run(doctor(**stores)),
        asyncio.run(doctor(**stores, MONITOR_ENCRYPTION_KEYS=new_key())),
    )
    # then
    assert without.state("secrets") == with_key.state("secrets") == "warning"
    assert "those of 1 website are stored in the clear" in without.words("secrets")
    assert "set MONITOR_ENCRYPTION_KEYS" in without.words("secrets")
    assert "run `monitor secrets rotate`" in with_key.words("secrets")


def test_websites_that_an_upgrade_did_not_prepare_for_search_are_a_warning(stores, tmp_path):
    # given
    with served(*stores.values(), tmp_path) as api:
        sent = {"url": "https://a.example", "name": "Ägir"}
        assert api.http.post("/websites", json=sent).is_success
    with psycopg.connect(stores["DATABASE_URL"]) as connection:
        connection.execute("UPDATE websites SET search_text = NULL")
    # when
    seen = asyncio.run(doctor(**stores))
    # then
    assert seen.state("search") == "warning"
    assert "run `monitor migrate` once more" in seen.words("search")


async def test_notifications_that_reach_nobody_are_named_with_why(world, stores):
    # given
    await world.add_region("europe")
    await down(world, "http://example.com/")
    before = await doctor(**stores)
    await world.execute(
        "UPDATE notifications SET fault = 'login', failing_since = now(),"
        " last_error = 'mail.test: 535 no'"
    )
    # when
    seen = await doctor(**stores)
    # then
    assert before.state("deliveries") == "ok"
    assert (seen.code, seen.state("deliveries")) == (1, "failed")
    assert "mail.test: 535 no" in seen.words("deliveries")
