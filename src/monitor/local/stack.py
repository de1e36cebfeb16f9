"""The stack behind `make up`: prepared here, then run by the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from monitor.domain.access import Identity, Role
from monitor.domain.errors import Conflict, MonitorError
from monitor.local.console import Console
from monitor.local.directory import DataDirectory, write_private
from monitor.local.postgres import EmbeddedPostgres
from monitor.local.preflight import must_carry, must_store_ticks
from monitor.local.processes import REGION, joined_keys
from monitor.local.redis import EmbeddedRedis
from monitor.local.server_user import must_reach
from monitor.local.supervisor import Servers, Supervisor
from monitor.resources.audit import Actor
from monitor.runtime.settings import Settings
from monitor.runtime.settings_parsers import fernet_keys
from monitor.services.access import audit, key_ring, keys
from monitor.services.secrets import at_rest, vault
from monitor.services.workers import regions
from monitor.storage.postgres.migrations import migrate
from monitor.storage.postgres.pool import Pool, make_pool

KEY_NAME = "make up"


def up(settings: Settings, user_settings: Mapping[str, str], *, demo: bool) -> None:
    """Run the stack in the foreground until it is stopped.

    ``user_settings``: those that the user set, as text. Raises MonitorError before anything is
    started where this machine cannot carry a stack, another stack uses the directory or another
    process the port, or the user's mail server has no sender; and afterwards where a process of the
    stack cannot start.
    """
    if settings.smtp_host:
        settings.sender()
    os.umask(0o077)
    console = Console()
    directory = DataDirectory(settings.monitor_data_dir)
    must_reach(directory.postgres)
    must_carry(settings)
    must_store_ticks(settings, partial(console.say, "monitor"))
    with directory.lock() as descriptor, _interruptible():
        _must_be_free(settings.monitor_api_host, settings.monitor_api_port)
        keys = _encryption_keys(user_settings, directory.encryption_key)
        user_settings = {**user_settings, "MONITOR_ENCRYPTION_KEYS": keys}
        with _servers(directory, console, descriptor) as servers:
            with audit.acting(Actor(KEY_NAME)):
                key = _prepare(servers, directory)
            clear = asyncio.run(_in_the_clear(servers.postgres.url()))
            supervisor = Supervisor(settings, user_settings, directory, console, descriptor)
            asyncio.run(supervisor.run(servers, key, with_demo=demo, in_the_clear=clear))
    console.say("monitor", "stopped")


def down(settings: Settings) -> str:
    """Stop the stack that runs on MONITOR_DATA_DIR; returns a sentence about the result."""
    directory = DataDirectory(settings.monitor_data_dir)
    pid = directory.stop_stack()
    if pid is None:
        return f"No stack runs on {directory.path}."
    return f"Stopped the stack on {directory.path} (process {pid})."


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """During preparation a stop signal raises an exception, which ends the block silently.

    Signals that were ignored when we started (`make up &` in a script) are handled as well,
    except SIGHUP (`nohup`).
    """

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        yield


@contextlib.contextmanager
def _servers(directory: DataDirectory, console: Console, descriptor: int) -> Iterator[Servers]:
    keep_open = (descriptor,)
    postgres = EmbeddedPostgres(
        directory.postgres, log=directory.logs / "postgres.log", keep_open=keep_open
    )
    redis = EmbeddedRedis(directory.redis, log=directory.logs / "redis.log", keep_open=keep_open)
    first = "" if (directory.postgres / "PG_VERSION").exists() else "making a database, "
    console.say("monitor", f"{first}starting PostgreSQL and Redis in {directory.path}")
    postgres.discard_lock_file()  # the directory is locked: no server runs on it
    try:
        postgres.start()
        redis.start()
        yield Servers(postgres, redis)
    finally:
        postgres.stop()
        redis.stop()


def _must_be_free(host: str, port: int) -> None:
    family, address = _resolved(host, port)
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise MonitorError(_cannot_listen(host, port, error)) from None


def _resolved(host: str, port: int) -> tuple[int, Any]:
    """The address family and address to listen on. Raises MonitorError where there is none."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise MonitorError(
            f"MONITOR_API_HOST is {host!r}, which is no address and no name that resolves: the "
            "usual ones are 127.0.0.1 (this machine alone) and 0.0.0.0 (every network)."
        ) from None
    family, _, _, _, address = addresses[0]
    return family, address


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"The API cannot listen on {host} (MONITOR_API_HOST): it is no address of this host."
    if error.errno == errno.EACCES:
        return f"The API may not listen on port {port}: choose one above 1023 (MONITOR_API_PORT)."
    return (
        f"The API cannot listen on {host}:{port} ({error.strerror}): choose another port, "
        "as in `make up MONITOR_API_PORT=8001`."
    )


def _prepare(servers: Servers, directory: DataDirectory) -> str:
    """Migrate, create the region, and return a valid key with the role admin."""
    url = servers.postgres.url()
    migrate(url)
    return asyncio.run(_region_and_key(url, directory.api_key))


async def _in_the_clear(database_url: str) -> int:
    async with make_pool(database_url, max_size=1) as pool:
        return await at_rest.websites_in_the_clear(pool)


async def _region_and_key(database_url: str, key_file: Path) -> str:
    async with make_pool(database_url, max_size=1) as pool:
        with contextlib.suppress(Conflict):  # it exists already
            await regions.create(pool, {"name": REGION, "description": "this machine"})
        return await _working_key(pool, key_file)


async def _working_key(pool: Pool, key_file: Path) -> str:
    if key := _text_of(key_file):
        identity = await key_ring.KeyRing(pool).identify(key)
        if isinstance(identity, Identity) and identity.role is Role.ADMIN:
            return key
    key = await keys.create_key(pool, KEY_NAME, Role.ADMIN)
    write_private(key_file, f"{key}\n")
    return key


def _encryption_keys(user_settings: Mapping[str, str], file: Path) -> str:
    """The encryption keys: the user's, or else a generated one.

    A key that was generated before still decrypts what it encrypted. Raises MonitorError where its
    file holds none any more: with a new one instead, what it encrypted would be lost silently.
    """
    users, generated = user_settings.get("MONITOR_ENCRYPTION_KEYS", ""), _generated_key(file)
    if not users and generated is None:
        generated = vault.new_key()
        write_private(file, f"{generated}\n")
    return joined_keys(users, generated or "")


def _generated_key(file: Path) -> str | None:
    """The key that was generated; None where none ever was."""
    if not file.exists():
        return None
    text = _text_of(file)
    try:
        fernet_keys(text)
    except ValueError:
        raise MonitorError(
            f"{file} holds no encryption key any more: put it back from a backup, or, if no "
            "website has request headers or a body that must be kept, remove the file."
        ) from None
    return text


def _text_of(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else ""
