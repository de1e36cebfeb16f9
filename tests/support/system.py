"""The whole product as real processes, each of which can be stopped, killed and started again."""

import asyncio
import os
import signal
import sys
import sysconfig
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path

import httpx
from aiosmtpd.smtp import SMTP

from monitor.domain.access import Role
from monitor.local import process
from monitor.local.redis import free_port
from monitor.services.keys import create_key
from monitor.settings import TABLE
from monitor.storage.postgres.pool import make_pool

_SCRIPTS = Path(sysconfig.get_path("scripts"))
_WORKER = ["dramatiq", "monitor.actors", "--skip-logging", "--processes", "1", "--threads", "8"]


class Mailbox:
    """A real SMTP server that keeps what it is sent; whoever waits is woken by each mail."""

    def __init__(self):
        self.mails = []
        self._arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.port = 0

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        with self._arrived:
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
            self._arrived.notify_all()
        return "250 OK"

    def about(self, text):
        """The subjects of the mails whose text mentions this, in the order they came."""
        with self._arrived:
            return [m["Subject"] for m in self.mails if text in _text(m)]

    def wait_for(self, text, count, within_s):
        """Until so many mails mention this; returns their subjects."""
        deadline = time.monotonic() + within_s
        with self._arrived:
            while True:
                found = [m["Subject"] for m in self.mails if text in _text(m)]
                left = deadline - time.monotonic()
                if len(found) >= count or left <= 0:
                    assert len(found) >= count, f"{len(found)} mails about {text}: {found}"
                    return found
                self._arrived.wait(left)

    def __enter__(self):
        self._thread.start()
        serving = self._loop.create_server(lambda: SMTP(self, loop=self._loop), "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def _text(mail):
    return mail.get_body(("plain",)).get_content()


@dataclass
class System:
    """Everything under one roof; ``start`` and ``kill`` take the names given to processes."""

    directory: Path
    environment: dict
    api: httpx.Client
    mailbox: Mailbox
    children: dict = field(default_factory=dict)
    commands: dict = field(default_factory=dict)

    def define(self, name, words, **settings):
        self.commands[name] = (words, settings)

    def start(self, name):
        words, settings = self.commands[name]
        command = [sys.executable, "-P", _SCRIPTS / words[0], *words[1:]]
        with self.log(name).open("ab") as log:
            self.children[name] = process.start(
                command, log=log, env=self.environment | settings, cwd=self.directory
            )

    def log(self, name):
        return self.directory / f"{name}.log"

    def kill(self, name):
        """End a process and all of its group at once, as a power cut would."""
        child = self.children.pop(name)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def stop(self, name, within_s=10):
        """Ask a process to end; returns how long it took."""
        began = time.monotonic()
        child = self.children.pop(name)
        child.send_signal(signal.SIGTERM)
        child.wait(within_s)
        return time.monotonic() - began

    def close(self):
        for child in self.children.values():
            child.send_signal(signal.SIGTERM)
        for child in self.children.values():
            process.finish(child, within_s=8)

    # The API

    def add(self, url, **fields):
        answer = self.api.post("/websites", json={"url": url, "check_frequency": 30, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def status(self, website):
        return self.api.get(f"/websites/{website}").json()["status"]

    def statuses(self):
        """{id: what GET /monitor says} of all websites."""
        found, cursor = {}, None
        while True:
            query = {"limit": 150} | ({"cursor": cursor} if cursor else {})
            page = self.api.get("/monitor", params=query)
            assert page.status_code == 200, page.text
            found |= {item["id"]: item for item in page.json()["items"]}
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return found

    def checks(self, website, days=1):
        """How many ticks of a website the store holds."""
        answer = self.api.get(f"/monitor/{website}", params={"days": days}).json()
        return sum(p["checks"] for series in answer["series"] for p in series["points"])


def eventually(condition, within_s, every_s=0.25):
    """Until ``condition()`` holds: other processes tell nothing but what they are asked."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still not after {within_s} s: {condition}"
        time.sleep(every_s)
    return found


def _admin_key(database_url):
    async def make():
        async with make_pool(database_url, max_size=1) as pool:
            return await create_key(pool, "tests", Role.ADMIN)

    return asyncio.run(make())


@contextmanager
def running_system(directory, database_url, redis_url, influx=None):
    """API, two schedulers, two central workers and a worker of the region ``europe``.

    ``influx``: (URL, database) of an InfluxDB; the region worker then has no Postgres at all.
    """
    port, key = free_port(), _admin_key(database_url)
    with Mailbox() as mailbox:
        environment = dict(os.environ) | {s.name: "" for s in TABLE}
        environment |= {
            "REDIS_URL": redis_url,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mailbox.port),
            "SMTP_TLS": "none",
            "SMTP_FROM": "monitor@example.com",
            "ALERT_EMAIL_TO": "ops@example.com",
            "MONITOR_ALLOW_NETWORKS": "127.0.0.0/8",
            "MONITOR_API_PORT": str(port),
        }
        if influx is not None:
            environment |= {"INFLUXDB_URL": influx[0], "INFLUXDB_BUCKET": influx[1]}
        central = {"DATABASE_URL": database_url}
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=10,
        )
        system = System(directory, environment, client, mailbox)
        system.define("api", ["monitor", "api"], **central)
        system.define("scheduler-1", ["periodiq", "monitor.actors"])
        system.define("scheduler-2", ["periodiq", "monitor.actors"])
        system.define("central-1", _WORKER, **central)
        system.define("central-2", _WORKER, **central)
        region = {"MONITOR_REGION": "europe"} | ({} if influx else central)
        system.define("europe", _WORKER, **region)
        with client:
            try:
                for name in system.commands:
                    system.start(name)
                eventually(lambda: _ready(client), within_s=30)
                answer = client.post("/regions", json={"name": "europe"})
                assert answer.status_code == 201, answer.text
                yield system
            finally:
                system.close()


def _ready(client):
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
