"""The API as a process on a port of its own, and `monitor` commands that are pointed at it."""

import asyncio
import errno
import os
import pty
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import redis

from monitor.domain.access import Role
from monitor.runtime.settings import TABLE
from monitor.services.access.keys import create_key
from monitor.services.workers import regions
from monitor.storage.postgres.pool import make_pool
from monitor.storage.redis import keys
from support.ports import free_port
from support.stack import wait_until

MONITOR = Path(sys.executable).with_name("monitor")


class Served:
    """The API, a key of each role, and a directory for files."""

    def __init__(self, port, roles, directory):
        self.port, self.keys, self.directory = port, roles, directory
        self.process = None
        self.url = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {roles[Role.ADMIN]}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=10, verify=False)

    def command(self, *words, **settings):
        """A command and its environment."""
        access = {"MONITOR_URL": self.url, "MONITOR_API_KEY": self.keys[Role.WRITE]}
        env = dict(os.environ) | {s.name: "" for s in TABLE} | access | settings
        return [sys.executable, "-P", str(MONITOR), *map(str, words)], env

    def monitor(self, *words, stdin=b"", **settings):
        """Run a command to its end."""
        command, env = self.command(*words, **settings)
        return subprocess.run(
            command, env=env, cwd=self.directory, input=stdin, capture_output=True,
            timeout=120, check=False,
        )  # fmt: skip

    def monitor_on_a_terminal(self, *words):
        """Run a command to its end on a terminal; returns its code and all that was shown."""
        command, env = self.command(*words)
        ours, its = pty.openpty()
        termios.tcsetwinsize(its, (24, 100))  # a bar is as wide as there is place
        with os.fdopen(ours, "rb", buffering=0) as screen:
            process = subprocess.Popen(
                command, env=env, cwd=self.directory, stdin=its, stdout=its, stderr=its
            )
            os.close(its)
            shown = b"".join(_until_closed(screen))
        return process.wait(timeout=120), shown.decode()

    def stop(self, within_s=30):
        """Ask it to end; returns the seconds that it took."""
        began_s = time.monotonic()
        self.process.terminate()
        self.process.wait(within_s)
        return time.monotonic() - began_s

    def write(self, name, content):
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def websites(self):
        return self.http.get("/websites", params={"limit": 1000}).json()["items"]


def _until_closed(screen):
    """What comes until nobody has the other end open, which Linux tells as an error."""
    while True:
        try:
            block = screen.read(4096)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return
        if not block:
            return
        yield block


async def _prepare(database_url):
    async with make_pool(database_url, max_size=1) as pool:
        for name in ("asia", "europe"):
            await regions.create(pool, {"name": name})
        return {role: await create_key(pool, f"tests {role}", role) for role in Role}


@contextmanager
def served(database_url, redis_url, directory, **more):
    """A Served over these servers, with the regions asia and europe. ``more``: settings."""
    roles = asyncio.run(_prepare(database_url))
    with serving(database_url, redis_url, directory, roles, **more) as api:
        yield api


@contextmanager
def serving(database_url, redis_url, directory, roles, **more):
    """The same over a database that has what it has, with these keys by role."""
    port = free_port()
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MONITOR_API_PORT": str(port)}
    api = Served(port, roles, directory)
    command, env = api.command("api", **settings, **more)
    with (directory / "api.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=directory, stderr=log)
    api.process = process
    try:
        wait_until(lambda: _answers(process, api.http))
        yield api
    finally:
        api.http.close()
        process.kill()
        process.wait()


def forget_killed(redis_url):
    """Let the processes that were killed be heard of no more, as they are after 45 s."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.delete(keys.PROCESSES, keys.WORKERS)


def _answers(process, http):
    assert process.poll() is None
    try:
        return http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
