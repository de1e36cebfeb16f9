"""The whole product as real processes, each of which can be stopped, killed and started again."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from monitor.domain.access import Role
from monitor.local import process
from monitor.runtime.settings import TABLE
from monitor.services.access.keys import create_key
from monitor.storage.postgres.pool import make_pool
from support.mailbox import Mailbox
from support.ports import free_ports

_SCRIPTS = Path(sysconfig.get_path("scripts"))
PATIENCE_S = 60
"""What the tests themselves wait for an answer where no test is about how long it takes: seven
systems may be filled at once on two cores. Other requests keep the client's ten seconds."""
SET_UP_S = 180
"""The same for seven systems' processes to start at once, and for their first checks."""

_WORKER = ["dramatiq", "monitor.actors", "--skip-logging", "--processes", "1", "--threads", "8"]


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
        process.kill_group(child)
        child.wait()

    def end(self, name, *, times=1, apart_s=0.2, whole_group=False, within_s=30):
        """SIGTERM to a process, or to all of its group; returns the seconds until none is left.

        ``times``: again after ``apart_s``, where it has not ended by then.
        """
        began, child = time.monotonic(), self.children[name]
        for n in range(times):
            if n and _ends(child, apart_s):  # two signals at once would be one
                break
            (os.killpg if whole_group else os.kill)(child.pid, signal.SIGTERM)
        child.wait(within_s)
        try:
            eventually(lambda: _is_gone(child.pid), within_s=within_s, every_s=0.05)
        except AssertionError:
            os.killpg(child.pid, signal.SIGKILL)  # nobody else knows what is left of its group
            raise
        del self.children[name]
        return time.monotonic() - began

    def pause(self, name):
        """Stop a process and all of its group in the middle of whatever they do."""
        os.killpg(self.children[name].pid, signal.SIGSTOP)

    def resume(self, name):
        _resume(self.children[name])

    def events(self, name):
        """What a process has logged so far, each line as it was meant."""
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def stop(self, name, within_s=30):
        """Ask a process to end; returns how long it took."""
        began, child = time.monotonic(), self.children[name]
        process.send_signal(child, signal.SIGTERM)
        child.wait(within_s)
        del self.children[name]
        return time.monotonic() - began

    def close(self, within_s=8):
        """End every process, whatever state a test has left it in and whatever fails meanwhile."""
        with ExitStack() as stack:
            for child in self.children.values():
                stack.callback(process.finish, child, within_s=within_s)
            for child in self.children.values():
                _resume(child)  # one that a test has paused would hear nothing
                process.send_signal(child, signal.SIGTERM)

    # The API

    def is_ready(self):
        try:
            return self.api.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def add(self, url, **fields):
        body = {"url": url, "check_frequency": 30, **fields}
        answer = self.api.post("/websites", json=body, timeout=PATIENCE_S)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def status(self, website):
        return self.api.get(f"/websites/{website}").json()["status"]

    def statuses(self):
        """{id: what GET /monitor says} of all websites."""
        found, cursor = {}, None
        while True:
            query = {"limit": 150} | ({"cursor": cursor} if cursor else {})
            page = self.api.get("/monitor", params=query, timeout=PATIENCE_S)
            assert page.status_code == 200, page.text
            found |= {item["id"]: item for item in page.json()["items"]}
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return found

    def checks(self, website, days=1):
        """How many ticks of a website the store holds."""
        answer = self.api.get(f"/monitor/{website}", params={"days": days}).json()
        return sum(p["checks"] for series in answer["series"] for p in series["points"])


def _resume(child):
    """Let a process and its group go on, unless it has ended."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGCONT)


def _ends(child, within_s):
    try:
        child.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


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
def running_system(
    directory, database_url, redis_url, influx=None, *, workers=None, settings=None, of=None
):
    """API, two schedulers, two central workers and the region workers: all that there is.

    ``influx``: (URL, database) of an InfluxDB; region workers then have no Postgres at all.
    ``workers``: {process: region}; one of the region ``europe`` where nothing is said.
    ``settings``: more of them, for every process; ``of``: {process: settings of its own}.
    """
    workers, of = workers or {"europe": "europe"}, of or {}
    port, key = free_ports(1), _admin_key(database_url)
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )
    with client, Mailbox() as mailbox:
        environment = _environment(redis_url, mailbox.port, port, influx) | (settings or {})
        system = System(directory, environment, client, mailbox)
        central = {"DATABASE_URL": database_url}
        for name, words, own in _processes(workers, central, {} if influx else central):
            system.define(name, words, **own | of.get(name, {}))
        try:
            for name in system.commands:
                system.start(name)
            eventually(system.is_ready, within_s=SET_UP_S)
            for region in sorted(set(workers.values())):
                answer = client.post("/regions", json={"name": region}, timeout=PATIENCE_S)
                assert answer.status_code == 201, answer.text
            yield system
        finally:
            system.close()


def _environment(redis_url, smtp_port, api_port, influx):
    """Ours, with every setting of the product said."""
    environment = dict(os.environ) | {s.name: "" for s in TABLE}
    if influx is not None:
        environment |= {"INFLUXDB_URL": influx[0], "INFLUXDB_BUCKET": influx[1]}
    return environment | {
        "REDIS_URL": redis_url,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(smtp_port),
        "SMTP_TLS": "none",
        "SMTP_FROM": "monitor@example.com",
        "ALERT_EMAIL_TO": "ops@example.com",
        "MONITOR_ALLOW_NETWORKS": "127.0.0.0/8",
        "MONITOR_API_PORT": str(api_port),
    }


def _processes(workers, central, regional):
    """(name, command, its own settings) of each process."""
    yield "api", ["monitor", "api"], central
    for number in (1, 2):
        yield f"scheduler-{number}", ["periodiq", "monitor.actors"], {}
        yield f"central-{number}", _WORKER, central
    for name, region in workers.items():
        yield name, _WORKER, {"MONITOR_REGION": region} | regional
