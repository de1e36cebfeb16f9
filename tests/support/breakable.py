"""Real servers that can be stopped in their tracks, killed, and started again where they were."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import redis as redis_client

from monitor.local.postgres import EmbeddedPostgres
from monitor.local.redis import EmbeddedRedis
from monitor.storage.postgres.migrations import migrate
from support.influx import InfluxServer
from support.ports import free_ports

# What a server has written outlives its processes; only a power cut needs fsync.
_SAFE_FROM_KILLS = {"fsync": "off", "full_page_writes": "off"}


class Breakable:
    """A server's processes. ``server`` has start, stop and child; it starts where it was."""

    def __init__(self, server):
        self.server = server

    def pause(self):
        """Stop it in the middle of whatever it does: connections stand and nothing answers."""
        for pid in self._family():
            _signal(pid, signal.SIGSTOP)

    def resume(self):
        for pid in reversed(self._family()):
            _signal(pid, signal.SIGCONT)

    def kill(self):
        """End all its processes at once. What they had not written is gone."""
        family = self._family()
        for pid in family:
            _signal(pid, signal.SIGKILL)
        self.server.child.wait()
        while any(Path(f"/proc/{pid}").exists() for pid in family):
            time.sleep(0.02)  # a grandchild's end is told to nobody else

    def stop(self):
        """An orderly end."""
        self.server.stop()

    def start(self):
        """Start again, on the same port and over the same files."""
        port = getattr(self.server, "port", None)
        self.server.start()
        assert getattr(self.server, "port", None) == port, "somebody else took its port"

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        if self.server.child is not None:
            self.resume()
            self.stop()

    def _family(self):
        """Its main process and all below it, parents first."""
        children = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                pid = int(entry.name)
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(pid)
        family = [self.server.child.pid]
        for pid in family:
            family += children.get(pid, ())
        return family


def _signal(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Postgres(Breakable):
    @property
    def url(self):
        return self.server.url("monitor")

    def rows(self, sql, *args):
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql, args).fetchall()


class Redis(Breakable):
    @property
    def url(self):
        return self.server.url

    def client(self):
        return redis_client.Redis.from_url(self.url)


class Influx(Breakable):
    @property
    def url(self):
        return self.server.url


def postgres_template(directory):
    """A migrated server's files, to begin from; its server is not running."""
    server = EmbeddedPostgres(directory, _SAFE_FROM_KILLS)
    server.start()
    migrate(server.url("monitor"))
    server.stop()
    return directory


def start_postgres(template, directory, log):
    """A server that begins as the template is, if there is one, else empty."""
    if shutil.which("cp") and not directory.exists():
        subprocess.run(["cp", "-a", template, directory], check=True)
    server = EmbeddedPostgres(directory, _SAFE_FROM_KILLS, log=log)
    server.start()
    return Postgres(server)


def start_redis(directory, log):
    """With an append-only file, as operators are to run it."""
    server = EmbeddedRedis(directory, log=log)
    server.port = free_ports(1)
    server.start()
    return Redis(server)


def lose_disk(redis):
    """Leave a Redis without anything to write to, so that it refuses writes from now on."""
    with redis.client() as client:
        directory = redis.server.directory
        password = (directory / "password").read_bytes()
        shutil.rmtree(directory)  # of this one, which it stands in, nothing can be made again
        directory.mkdir()
        (directory / "password").write_bytes(password)
        client.config_set("appendonly", "no")
        client.config_set("save", "3600 1000000")
        client.bgsave()
        while client.info("persistence")["rdb_bgsave_in_progress"]:
            time.sleep(0.02)  # it tells nobody


def start_influx(directory):
    directory.mkdir()
    server = InfluxServer(directory)
    server.port = free_ports(1)
    server.start()
    return Influx(server)
