"""The API as a process: it starts without its servers, answers, and ends when it is told to."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from monitor.domain.access import Role
from monitor.runtime.settings import TABLE
from monitor.services.access.keys import create_key
from monitor.storage.postgres.pool import make_pool
from support.ports import free_port

_SERVE = (
    "from monitor.api.server import serve; from monitor.runtime.settings import load; serve(load())"
)


@pytest.fixture
def start(tmp_path):
    """Starts the API with these settings; returns (child, HTTP client)."""
    children, clients = [], []

    def begin(**settings):
        port = free_port()
        env = dict(os.environ) | {s.name: "" for s in TABLE} | settings
        with (tmp_path / "log").open("wb") as log:
            children.append(
                subprocess.Popen(
                    [sys.executable, "-c", _SERVE],
                    env=env | {"MONITOR_API_PORT": str(port)},
                    cwd=tmp_path,
                    stderr=log,
                )
            )
        clients.append(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10))
        _wait_until_it_answers(children[-1], clients[-1])
        return children[-1], clients[-1]

    yield begin
    for child, client in zip(children, clients, strict=True):
        client.close()
        child.kill()
        child.wait()


def _wait_until_it_answers(child, client, within_s=30):
    deadline = time.monotonic() + within_s
    while True:
        try:
            return client.get("/healthz")
        except httpx.TransportError:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)  # a process tells of its readiness only by being asked


async def test_it_serves_and_ends_in_time(start, tmp_path, database_url, redis_url):
    # given
    child, client = start(DATABASE_URL=database_url, REDIS_URL=redis_url)
    # then
    answer = client.get("/readyz")
    assert answer.json()["checks"] == {"postgres": "ok", "redis": "ok", "ticks": "ok"}
    assert "server" not in answer.headers
    assert client.get("/websites").status_code == 401
    for path in ("/healthz", "/readyz"):
        probe = client.head(path)
        assert (probe.status_code, probe.content) == (200, b"")
    # when it is told to end while a request hangs, for all the world to see
    key = await _make_key(database_url)
    with psycopg.connect(database_url) as holder, ThreadPoolExecutor() as pool:
        holder.execute("LOCK TABLE websites IN ACCESS EXCLUSIVE MODE")
        pool.submit(client.get, "/websites", headers={"Authorization": f"Bearer {key}"})
        _wait_until_somebody_waits(holder)
        begin = time.monotonic()
        child.send_signal(signal.SIGTERM)
        child.wait(20)
    # then
    assert time.monotonic() - begin < 6
    log = (tmp_path / "log").read_text()
    assert "api.starting" in log
    assert database_url not in log


async def _make_key(database_url, role=Role.READ):
    async with make_pool(database_url, max_size=1) as pool:
        return await create_key(pool, "tests", role)


def _wait_until_somebody_waits(holder, within_s=20):
    deadline = time.monotonic() + within_s
    while not holder.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # Postgres tells who waits only when it is asked


def test_it_starts_without_its_servers(start, tmp_path):
    child, client = start(
        DATABASE_URL=f"postgresql://monitor:hunter2@/monitor?host={tmp_path}",
        REDIS_URL="redis://127.0.0.1:1/0",
    )
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert set(answer.json()["checks"].values()) == {"unavailable"}
    child.send_signal(signal.SIGTERM)
    child.wait(10)
    assert "hunter2" not in (tmp_path / "log").read_text()


async def test_client_disconnect_is_not_logged_as_an_error(
    start, tmp_path, database_url, redis_url
):
    # given
    child, client = start(DATABASE_URL=database_url, REDIS_URL=redis_url)
    key = await _make_key(database_url, Role.WRITE)
    # when: half a body
    with socket.create_connection((client.base_url.host, client.base_url.port)) as caller:
        caller.sendall(
            f"POST /websites HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"url": '.encode()
        )
        caller.shutdown(socket.SHUT_WR)
        while caller.recv(4096):
            pass
    # then
    child.send_signal(signal.SIGTERM)
    child.wait(10)
    log = (tmp_path / "log").read_text()
    (line,) = (json.loads(x) for x in log.splitlines() if "api.client_disconnected" in x)
    assert (line["level"], line["route"]) == ("info", "/websites")
    assert '"level": "error"' not in log
    assert "Traceback" not in log
