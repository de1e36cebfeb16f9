"""OPENSSL_CONF is for workers of regions alone: what each process offers in its handshakes."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from monitor.local.processes import REGION, Locations, commands, environment
from monitor.probes.net.groups import CONFIGURATION, OFFERED, in_client_hello
from monitor.storage.redis.client import client
from monitor.storage.redis.workers import Workers
from support import targets_tls
from support.targets import TargetServer

ROOT = Path(__file__).parents[2]
SSL_REQUEST_BYTES = 8  # PostgreSQL, "SSLRequest": a message before the handshake

CONNECT = """
import asyncio, sys
from monitor.channels.email.smtp import MailServer
from monitor.domain.errors import DeliveryError, Unavailable
from monitor.resources.mail_address import MailAddress
from monitor.storage.postgres.connect import must_connect
from monitor.storage.redis.client import client
from monitor.storage.timeseries.open import make_tick_store

async def redis(port):
    async with client(f"rediss://127.0.0.1:{port}/0") as connection:
        await connection.ping()

async def postgres(port):
    address = f"postgresql://u@127.0.0.1:{port}/d?sslmode=require&gssencmode=disable"
    await asyncio.to_thread(must_connect, address)

async def influxdb(port):
    store = make_tick_store(
        influxdb_url=f"https://127.0.0.1:{port}", influxdb_token=None, influxdb_org=None,
        influxdb_bucket="b", pool=None, raw_days=1, rollup_days=1,
    )
    try:
        await store.ping()
    finally:
        await store.close()

async def mail(port):
    server = MailServer(host="127.0.0.1", port=port, user=None, password=None, tls="tls",
                        sender=MailAddress("a@b.test"))
    await server.log_in()

async def website(port):
    from monitor.probes.http.prober import HttpProber
    from monitor.probes.net.address_policy import AddressPolicy
    from monitor.runtime.settings_parsers import networks
    from monitor.resources.http_options import HttpOptions
    prober = HttpProber(policy=AddressPolicy(networks("127.0.0.0/8")))
    await prober.check(HttpOptions(url=f"https://127.0.0.1:{port}/"))
    await prober.close()

try:
    asyncio.run(globals()[sys.argv[1]](int(sys.argv[2])))
except Exception as error:
    print(type(error).__name__, error)
"""
"""A connection by our own code, to a server that hangs up after the ClientHello."""


async def hello(kind, env):
    """The groups in the ClientHello of a process with this environment."""
    received = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        if kind == "postgres":
            await reader.readexactly(SSL_REQUEST_BYTES)
            writer.write(b"S")
        head = await reader.readexactly(5)
        record = head + await reader.readexactly(int.from_bytes(head[3:], "big"))
        if not received.done():
            received.set_result(in_client_hello(record))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", CONNECT, kind, str(port), env=env, cwd="/",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with server, asyncio.timeout(60):
        printed, _ = await process.communicate()
    assert received.done(), printed.decode()
    return received.result()


CHECK = """
import asyncio, sys
from monitor.probes.http.prober import HttpProber
from monitor.probes.net.address_policy import AddressPolicy
from monitor.resources.http_options import HttpOptions
from monitor.runtime.settings_parsers import networks

async def check(url):
    prober = HttpProber(policy=AddressPolicy(networks("127.0.0.0/8")))
    outcome = await prober.check(HttpOptions(url=url))
    await prober.close()
    print(outcome.result.name, outcome.reason)

asyncio.run(check(sys.argv[1]))
"""


async def checked(context, tmp_path):
    """The result and reason of a check with our file, of a server with this context.

    asyncio's servers leave without the alert that other servers send.
    """
    store = tmp_path / "authorities.pem"
    store.write_text(targets_tls.trust())
    env = {"PATH": os.environ["PATH"], "OPENSSL_CONF": str(CONFIGURATION)}
    async with TargetServer(tls=context) as target:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", CHECK, target.url,
            env=env | {"SSL_CERT_FILE": str(store)}, cwd="/", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            printed, _ = await process.communicate()
    return printed.decode().strip().replace("connection_reset", "tls_error")


@pytest.mark.parametrize(
    ("curve", "newest", "outcome"),
    [
        (ec.SECP256R1(), ssl.TLSVersion.TLSv1_2, "UP None"),
        (ec.SECP384R1(), ssl.TLSVersion.TLSv1_2, "UP None"),
        (ec.SECP521R1(), ssl.TLSVersion.TLSv1_2, "DOWN tls_error"),
        (ec.SECP521R1(), ssl.TLSVersion.TLSv1_3, "UP None"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
async def test_certificates_of_these_curves_are_accepted(curve, newest, outcome, tmp_path):
    context = targets_tls.with_curve("127.0.0.1", curve, newest)
    assert await checked(context, tmp_path) == outcome


@pytest.mark.parametrize(
    ("group", "outcome"),
    [("prime256v1", "UP None"), ("secp384r1", "UP None"), ("secp521r1", "DOWN tls_error")],
)
async def test_servers_with_one_group_are_accepted_as_by_browsers(group, outcome, tmp_path):
    context = targets_tls.certified("127.0.0.1")
    context.set_ecdh_curve(group)
    assert await checked(context, tmp_path) == outcome


@pytest.fixture
def environments(monkeypatch):
    """The environment of each process of `make up`."""
    monkeypatch.delenv("OPENSSL_CONF", raising=False)
    servers = Locations("postgresql://x@/x", "redis://127.0.0.1:1/0", 2525)
    env = environment({}, servers, Path("/data"))
    return {command.name: env | command.settings for command in commands()}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("api", "postgres"), ("api", "redis"), ("api", "influxdb"),
        ("scheduler", "redis"),
        ("central", "postgres"), ("central", "redis"), ("central", "influxdb"), ("central", "mail"),
    ],
)  # fmt: skip
async def test_no_other_process_offers_anything_else_than_before(environments, name, kind):
    bare = {"PATH": os.environ["PATH"]}
    assert await hello(kind, environments[name]) == await hello(kind, bare)


@pytest.mark.parametrize("kind", ["website", "redis", "influxdb"])
async def test_a_region_s_worker_offers_our_groups_to_all_that_it_connects_to(environments, kind):
    assert await hello(kind, environments[REGION]) == OFFERED


def test_an_openssl_cnf_of_the_user_s_goes_first(monkeypatch):
    monkeypatch.setenv("OPENSSL_CONF", "/etc/mine.cnf")
    added = {c.name: c.settings.get("OPENSSL_CONF") for c in commands()}
    assert added == {"api": None, "scheduler": None, "central": None, REGION: "/etc/mine.cnf"}


def test_make_worker_names_it_for_a_region_alone():
    def printed(*words, **env):
        command = ["make", "--dry-run", "worker", *words]
        env = {"PATH": os.environ["PATH"], **env}
        return subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=True
        ).stdout

    ours = ROOT / "src/monitor/probes/net/openssl.cnf"
    assert ours == CONFIGURATION
    assert f"OPENSSL_CONF:-{ours}" in printed("REGION=europe")
    assert "OPENSSL_CONF" not in printed()


def test_the_command_prints_where_it_is():
    monitor = Path(sys.executable).with_name("monitor")
    done = subprocess.run([monitor, "openssl-conf"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{CONFIGURATION}\n"


async def test_a_worker_tells_what_it_offers(redis_url):
    """One process of a region, until Redis has its report."""
    env = {
        "PATH": os.environ["PATH"], "REDIS_URL": redis_url, "MONITOR_REGION": "europe",
        "INFLUXDB_URL": "http://127.0.0.1:1", "OPENSSL_CONF": str(CONFIGURATION),
    }  # fmt: skip
    words = ("monitor.actors", "--skip-logging", "--processes", "1", "--threads", "1")
    dramatiq = Path(sys.executable).with_name("dramatiq")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", dramatiq, *words, env=env, cwd="/", process_group=0,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with client(redis_url) as redis, asyncio.timeout(60):
            while not (reports := await Workers(redis).fresh(0)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # a hash has no event
    finally:
        process.terminate()
        await process.wait()
    assert [tuple(report.groups) for report in reports] == [OFFERED]


def test_the_wheel_has_it(tmp_path):
    code = (
        "import json, sys, zipfile; from hatchling import build; "
        "name = build.build_wheel(sys.argv[1]); "
        "print(json.dumps(zipfile.ZipFile(f'{sys.argv[1]}/{name}').namelist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "monitor/probes/net/openssl.cnf" in json.loads(done.stdout.splitlines()[-1])
