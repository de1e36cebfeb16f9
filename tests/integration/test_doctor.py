"""`monitor doctor` against real servers, each with one thing wrong."""

import asyncio
import os
import re
import signal
import time
import urllib.parse
import urllib.request
from contextlib import asynccontextmanager, contextmanager

import psycopg
import pytest
import redis as redis_client
from aiosmtpd.smtp import AuthResult

from monitor.local.redis import free_port
from support.dns import NXDOMAIN, REFUSED, SERVFAIL, SILENT, DnsServer
from support.doctor import doctor, run
from support.fake_clock import fake_clock
from support.recorded_influx import TOKEN, Grants, Recorded2
from support.recorded_influx import running as running_influx
from support.smtp import Inbox, scripted, serving

WITHIN_S = 45
"""The mail server's 10 s, and what a machine that is loaded four times over takes for Python to
start, which has been 20 s."""


@pytest.fixture
def stores(database_url, redis_url):
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


@contextmanager
def stopped(server):
    """A server that hangs."""
    os.kill(server.child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.child.pid, signal.SIGCONT)


@contextmanager
def configured(redis_url, name, value):
    with redis_client.Redis.from_url(redis_url) as client:
        before = client.config_get(name)[name]
        client.config_set(name, value)
        try:
            yield
        finally:
            client.config_set(name, before)


async def test_stores_that_are_well(stores):
    # when
    seen = await doctor(**stores)
    # then
    for name in ("settings", "postgres", "migrations", "redis", "clock", "tick store"):
        assert seen.state(name) == "ok", seen.words(name)
        assert seen.findings[name]["what_to_do"] == ""
    assert "DATABASE_URL, REDIS_URL from the environment" in seen.words("settings")
    assert "PostgreSQL 1" in seen.words("postgres")
    assert "ticks for 30 days, hours for 400, days for 1100" in seen.words("tick store")


async def test_each_malformed_setting_is_named_and_no_secret_shown(stores):
    # when
    seen = await doctor(
        **stores | {"DATABASE_URL": "mysql://u:hunter2@h/x"},
        SMTP_PORT="x",
        MONITOR_RAW_DAYS="-1",
        INFLUXDB_TOKEN="hunter3",
    )
    # then
    assert (seen.code, seen.well, seen.state("settings")) == (1, False, "failed")
    for name in ("DATABASE_URL", "SMTP_PORT", "MONITOR_RAW_DAYS", "INFLUXDB_TOKEN"):
        assert name in seen.words("settings")
    assert "hunter" not in seen.printed
    assert seen.state("redis") == "ok"


async def test_a_setting_that_is_not_ours_is_a_warning(stores):
    # when
    seen = await doctor(**stores, MONITOR_RAW_DAY="30")
    # then
    assert seen.state("settings") == "warning"
    assert "write MONITOR_RAW_DAYS if that is meant" in seen.words("settings")


async def test_stores_of_which_nothing_is_known_are_named_by_their_setting():
    # when
    seen = await doctor(
        DATABASE_URL="postgresql://none.invalid/x",
        REDIS_URL="redis://none.invalid:1/0",
        INFLUXDB_URL="http://none.invalid:1",
    )
    # then
    assert "there is no host none.invalid" in seen.words("postgres")
    assert "no connection to none.invalid:1 (there is no such host)" in seen.words("redis")
    assert "InfluxDB at none.invalid:1: " in seen.words("tick store")
    # when
    seen = await doctor(DATABASE_URL="mysql://x", REDIS_URL="unix:///nowhere?db=x")
    # then
    assert "DATABASE_URL cannot be used" in seen.words("postgres")
    assert "REDIS_URL cannot be used" in seen.words("redis")
    # when
    seen = await doctor()
    # then
    assert "DATABASE_URL is not set" in seen.words("postgres")
    assert "REDIS_URL is not set" in seen.words("redis")


async def test_settings_of_a_file_that_cannot_be_read_are_named(stores):
    # when
    seen = await doctor(REDIS_URL=stores["REDIS_URL"], DATABASE_URL_FILE="/nowhere")
    # then
    assert "DATABASE_URL_FILE names /nowhere" in seen.words("settings")


async def test_stores_that_are_away_are_named(stores):
    # given
    away = {
        "DATABASE_URL": f"postgresql://u:hunter2@127.0.0.1:{free_port()}/x",
        "REDIS_URL": f"redis://u:hunter2@127.0.0.1:{free_port()}/0",
        "INFLUXDB_URL": f"http://127.0.0.1:{free_port()}",
    }
    # when
    seen = await doctor(**away)
    # then
    assert {"postgres", "redis", "tick store"} <= set(seen.named("failed"))
    assert "Connection refused" in seen.words("postgres")
    assert "correct DATABASE_URL" in seen.words("postgres")
    assert "Connection refused" in seen.words("redis")
    assert seen.state("clock") == seen.state("migrations") == "skipped"
    assert (seen.code, "hunter2" in seen.printed) == (1, False)


@pytest.mark.parametrize(
    ("statement", "state", "words"),
    [
        (
            "DELETE FROM schema_migrations WHERE version = 1",
            "failed",
            "not applied: 0001_.*: run `monitor migrate`",
        ),
        (
            "UPDATE schema_migrations SET checksum = 'x' WHERE version = 2",
            "failed",
            "changed after they were applied: 0002_.*: restore the file",
        ),
        (
            "INSERT INTO schema_migrations VALUES (9999, '9999_later.sql', 'x')",
            "warning",
            "of a newer version than this one: 9999_later: upgrade",
        ),
        ("DROP TABLE schema_migrations", "failed", "not applied: 0001_.*: run `monitor migrate`"),
    ],
)
async def test_migrations_that_differ_are_named(stores, statement, state, words):
    # given
    with psycopg.connect(stores["DATABASE_URL"]) as connection:
        connection.execute(statement)
    # when
    seen = await doctor(**stores)
    # then
    assert (seen.code, seen.state("migrations")) == (1 if state == "failed" else seen.code, state)
    assert re.match(words, seen.words("migrations"))


async def test_a_redis_that_evicts_is_wrong(stores):
    # given
    with configured(stores["REDIS_URL"], "maxmemory-policy", "allkeys-lru"):
        # when
        seen = await doctor(**stores)
    # then
    assert (seen.code, seen.state("redis")) == (1, "failed")
    assert "maxmemory-policy is allkeys-lru" in seen.words("redis")


async def test_a_redis_whose_user_may_not_ask_is_skipped_with_why(stores):
    # given
    url = stores["REDIS_URL"]
    with redis_client.Redis.from_url(url) as client:
        client.acl_setuser("us", enabled=True, passwords=["+pw"], keys=["*"],
                           commands=["+@all", "-info"])  # fmt: skip
        # when
        theirs = url.replace(url[len("redis://") : url.index("@")], "us:pw")
        seen = await doctor(**stores | {"REDIS_URL": theirs})
        client.acl_deluser("us")
    # then
    assert (seen.state("redis"), seen.state("clock")) == ("skipped", "ok")
    assert "may not run INFO" in seen.words("redis")


async def test_a_redis_that_keeps_nothing_on_disk_is_a_warning(stores):
    # given
    with configured(stores["REDIS_URL"], "appendonly", "no"):
        # when
        seen = await doctor(**stores)
    # then
    assert seen.state("redis") == "warning"
    assert "set `appendonly yes`" in seen.words("redis")


@pytest.mark.parametrize("hung", ["postgres", "redis"])
async def test_a_store_that_hangs_is_named_in_time_and_keeps_nothing_else_from_being_looked_at(
    stores, postgres_server, redis_server, hung
):
    # given
    other = {"postgres": "redis", "redis": "postgres"}[hung]
    began = time.monotonic()
    # when
    with stopped({"postgres": postgres_server, "redis": redis_server}[hung]):
        seen = await doctor(**stores)
    # then
    assert time.monotonic() - began < WITHIN_S
    assert (seen.code, seen.state(hung), seen.state(other)) == (1, "failed", "ok")
    assert "in time" in seen.words(hung) or "within 5 s" in seen.words(hung)


@pytest.mark.parametrize(
    ("ahead_s", "state", "words"),
    [(100, "warning", r"\d+ s ahead of Redis: correct the clock"),
     (-4000, "failed", r"[34],\d+ s behind Redis: correct the clock")],
)  # fmt: skip
async def test_a_clock_that_is_off_is_told(stores, ahead_s, state, words):
    # given
    with fake_clock() as clock:
        clock.step(ahead_s)
        # when
        seen = await doctor(**stores, **clock.settings)
    # then
    assert seen.state("clock") == state
    assert re.match(words, seen.words("clock"))


@asynccontextmanager
async def silent_server():
    """One that takes connections and says nothing."""
    over = asyncio.Event()

    async def serve(_reader, writer):
        await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()


async def test_an_influxdb_that_hangs_is_named_in_time(stores):
    # given
    async with silent_server() as port:
        began = time.monotonic()
        # when
        seen = await doctor(**stores, INFLUXDB_URL=f"http://127.0.0.1:{port}")
    # then
    assert time.monotonic() - began < WITHIN_S
    assert (seen.state("tick store"), seen.state("postgres")) == ("failed", "ok")
    assert "no answer within 5 s" in seen.words("tick store")


async def test_an_influxdb_with_another_retention_is_a_warning(stores, influx_database):
    # given
    url, bucket = influx_database
    influx = {"INFLUXDB_URL": url, "INFLUXDB_BUCKET": bucket}
    before = await doctor(**stores, **influx)
    make_database(url, bucket, days=7)
    make_database(url, f"{bucket}_hourly", days=400)
    make_database(url, f"{bucket}_daily", days=1100)
    # when
    seen = await doctor(**stores, **influx)
    # then
    assert before.state("tick store") == "failed"
    assert f"no bucket '{bucket}' for ticks" in before.words("tick store")
    assert f'CREATE DATABASE "{bucket}_hourly" WITH DURATION 400d' in before.words("tick store")
    assert seen.state("tick store") == "warning"
    assert "ticks for 7 days instead of 30 days (MONITOR_RAW_DAYS)" in seen.words("tick store")
    assert 'ALTER RETENTION POLICY "autogen"' in seen.words("tick store")


async def test_an_influxdb_token_that_may_only_read_is_named(stores):
    # given
    server = Recorded2()
    names = ("website_ticks", "website_ticks_hourly", "website_ticks_daily")
    server.retention_s = dict.fromkeys(names, 0)
    server.grants = Grants(read=frozenset(server.retention_s))
    # when
    async with running_influx(server):
        seen = await doctor(**stores, INFLUXDB_URL=server.url, INFLUXDB_TOKEN=TOKEN)
    # then
    assert seen.state("tick store") == "failed"
    assert "INFLUXDB_TOKEN may not write to 'website_ticks'" in seen.words("tick store")


def make_database(url, name, days):
    statement = f'CREATE DATABASE "{name}" WITH DURATION {days}d NAME "autogen"'
    data = urllib.parse.urlencode({"q": statement}).encode()
    urllib.request.urlopen(f"{url}/query", data, timeout=10).close()


def mail(port, **more):
    return {
        "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_TLS": "none",
        "SMTP_FROM": "monitor@example.com", **more,
    }  # fmt: skip


async def test_a_mail_server_that_lets_us_in_is_well_and_gets_no_mail(stores):
    # given
    inbox = Inbox()
    async with serving(inbox) as port:
        # when
        seen = await doctor(**stores, **mail(port))
    # then
    assert (seen.state("email"), inbox.senders_named) == ("ok", 0)
    assert f"127.0.0.1:{port} lets us in" in seen.words("email")


async def test_a_mail_server_that_is_away_is_named(stores):
    # given
    port = free_port()
    # when
    seen = await doctor(**stores, **mail(port))
    # then
    assert (seen.code, seen.state("email")) == (1, "failed")
    assert f"127.0.0.1:{port}" in seen.words("email")


async def test_a_mail_server_that_refuses_the_login_is_named_and_the_password_not_shown(stores):
    # given
    options = {
        "authenticator": lambda *_: AuthResult(success=False, handled=False),
        "auth_require_tls": False,
    }
    login = {"SMTP_USER": "us", "SMTP_PASS": "hunter2"}
    async with serving(Inbox(), **options) as port:
        # when
        seen = await doctor(**stores, **mail(port, **login))
    # then
    assert (seen.code, seen.state("email")) == (1, "failed")
    assert "SMTP_PASS" in seen.words("email")
    assert "hunter2" not in seen.printed


async def test_a_mail_server_that_says_nothing_is_named_in_time(stores):
    # given
    async with scripted(ehlo=None) as (port, _):
        # when
        seen = await doctor(**stores, **mail(port))
    # then
    assert (seen.code, seen.state("email")) == (1, "failed")
    assert "no answer within 10 s" in seen.words("email")


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (NXDOMAIN, "ok", "answers"),
        (["192.0.2.1"], "ok", "answers"),
        (SILENT, "failed", "does not answer: correct MONITOR_DNS_SERVERS"),
        (SERVFAIL, "failed", "cannot resolve names (SERVFAIL)"),
        (REFUSED, "failed", "refuses to answer us (REFUSED)"),
    ],
)
async def test_a_dns_server_is_asked(answer, state, words):
    # given
    async with DnsServer({}, otherwise=answer) as server:
        # when
        seen = await doctor(MONITOR_DNS_SERVERS=server.address)
    # then
    assert seen.state("dns") == state
    assert f"{server.address} {words}" in seen.words("dns")


async def test_one_of_two_dns_servers_that_is_away_is_a_warning():
    # given
    async with DnsServer({}) as server:
        away = f"127.0.0.1:{free_port()}"
        # when
        seen = await doctor(MONITOR_DNS_SERVERS=f"{server.address},{away}")
    # then
    assert seen.state("dns") == "warning"
    assert f"{away} does not answer" in seen.words("dns")


async def test_people_get_a_line_for_each_with_what_to_do_below_it_and_no_colour(stores):
    # given
    with configured(stores["REDIS_URL"], "maxmemory-policy", "allkeys-lru"):
        # when
        code, printed, error = await run(**stores)
    # then
    lines = printed.splitlines()
    (redis,) = (at for at, line in enumerate(lines) if "maxmemory-policy is" in line)
    assert lines[redis].startswith("failed   redis          maxmemory-policy is allkeys-lru")
    assert lines[redis + 1].startswith(" " * 24 + "→ set it to noeviction")
    assert (code, error, "\x1b" in printed) == (1, "", False)


async def test_an_output_without_arrows_gets_the_rest():
    # when
    code, printed, error = await run(PYTHONIOENCODING="ascii")
    # then
    assert (code, error) == (1, "")
    assert "? set it, or look beside a `make up`" in printed
