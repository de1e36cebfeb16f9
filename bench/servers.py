"""The servers that a measurement needs, started before any process of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from monitor.local import process
from monitor.local.postgres import EmbeddedPostgres
from monitor.local.redis import EmbeddedRedis, free_port
from monitor.runtime.process import lower_session_priority

from . import mail_sink, names, targets
from .options import Options
from .stack import MAIL, NAMES, OWN_SCRIPTS, TARGET, Stack, answers
from .targets import Targets

_INFLUX_CONFIG = Path(__file__).parents[1] / "deploy" / "influxdb.conf"
"""As operators are advised."""

_INFLUX_NICENESS = 5
"""Of its session: a third of the weight of others, as the ``CPUWeight=33`` that is advised."""


@contextmanager
def running_servers(
    directory: Path,
    options: Options,
    *,
    shared: Targets | None = None,
    scripts: Path = OWN_SCRIPTS,
) -> Iterator[Stack]:
    """The servers and the websites, no process of ours yet. All are ended on the way out.

    ``shared``: websites that another stack has started and will end. ``scripts``: the directory of
    the product's console scripts.
    """
    with ExitStack() as ending:
        served = shared or targets.start(directory / "nginx", options.served())
        stack = Stack(directory, options, served, scripts=scripts)
        ending.callback(stack.stop)
        if shared is None:
            stack.children[TARGET] = served.child
            ending.callback(served.close)
        _start_postgres(stack)
        _start_redis(stack)
        stack.run("monitor", "migrate")
        if options.store == "influx":
            _start_influx(stack)
        if options.dns:
            _start_names(stack)
        if options.mails:
            _start_mail_sink(stack)
        stack.must_run()
        yield stack


def open_way(directory: Path) -> None:
    """Let every user pass through this folder and those above it in the temp directory: as root
    PostgreSQL runs as another user."""
    top = Path(tempfile.gettempdir()).resolve()
    for folder in (directory, *directory.parents):
        if folder == top or top not in folder.parents:
            return
        folder.chmod(folder.stat().st_mode | 0o011)


def _start_postgres(stack: Stack) -> None:
    open_way(stack.directory)
    server = EmbeddedPostgres(stack.directory / "postgres", log=stack.log("postgres"))
    server.start()
    assert server.child is not None
    stack.children["postgres"] = server.child
    stack.database_url = server.url()


def _start_redis(stack: Stack) -> None:
    server = EmbeddedRedis(stack.directory / "redis", log=stack.log("redis"))
    server.start()
    assert server.child is not None
    stack.children["redis"] = server.child
    stack.redis_url = server.url


def _start_influx(stack: Stack) -> None:
    port = free_port()
    with stack.log("influxd").open("ab") as log:
        child = start_influxd(
            stack.directory / "influx", port, stack.options.series, log,
            lazy=stack.options.influx_lazy, compacts=stack.options.influx_compacts,
        )  # fmt: skip
    stack.children["influxd"] = child
    stack.influx_url = f"http://127.0.0.1:{port}"
    stack.wait_for("influxd", lambda: answers(f"{stack.influx_url}/ping", 204))


def start_influxd(
    directory: Path,
    port: int,
    series: int,
    log: IO[bytes] | int,
    *,
    lazy: bool = False,
    compacts: bool = True,
) -> subprocess.Popen[bytes]:
    """An InfluxDB with memory for so many websites. It answers a little later.

    ``lazy``: it neither compresses nor collects garbage because time has passed. ``compacts``: it
    compresses soon after the last write.
    """
    directory.mkdir()
    environment = _influx_environment(
        directory, port, series, lazy=lazy, compacts=compacts and not lazy
    )
    child = process.start(["influxd", "-config", _INFLUX_CONFIG], log=log, env=environment)
    lower_session_priority(_INFLUX_NICENESS, of=child.pid)
    return child


def _influx_environment(
    directory: Path, port: int, series: int, *, lazy: bool, compacts: bool
) -> dict[str, str]:
    """Where it keeps its files and listens. What the caller's environment says of it wins."""
    cache = max(256 * 2**20, 1500 * series)
    return {
        # As operators of so many websites are advised (deploy/influxdb.conf), but for `lazy`:
        # Go goes over all its memory every two minutes, or never where that is off.
        "GOGC": "off" if lazy else "300",
        "GOMEMLIMIT": str(max(2**30, 10 * 2**10 * series)),
        "INFLUXDB_DATA_CACHE_SNAPSHOT_MEMORY_SIZE": str(cache),
        "INFLUXDB_DATA_CACHE_MAX_MEMORY_SIZE": str(max(2**30, 2 * cache)),
        "INFLUXDB_META_DIR": f"{directory}/meta",
        "INFLUXDB_DATA_DIR": f"{directory}/data",
        "INFLUXDB_DATA_WAL_DIR": f"{directory}/wal",
        "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
        "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
        "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "5s" if compacts else "24h",
    } | dict(os.environ)


def _start_names(stack: Stack) -> None:
    served = names.start(stack.directory, targets.ADDRESSES, targets.ELSEWHERE)
    stack.children[NAMES] = served.child
    stack.dns_server = served.address


def _start_mail_sink(stack: Stack) -> None:
    stack.mail_port = free_port()
    with stack.log(MAIL).open("ab") as log:
        command = [sys.executable, mail_sink.__file__, str(stack.mail_port)]
        stack.children[MAIL] = process.start(command, log=log)
    stack.wait_for(MAIL, lambda: mail_sink.answers(stack.mail_port or 0))
