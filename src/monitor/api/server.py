"""The API process: opens all dependencies, serves the app with uvicorn, closes them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import dramatiq
import uvicorn
import uvloop
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from monitor.api.app import Lifespan, create_app
from monitor.api.connections import MAX_HEAD_BYTES, Connections
from monitor.api.deadline import lock_timeout_s
from monitor.api.dependencies import Dependencies
from monitor.domain.people import SessionLifetime
from monitor.queue.broker import Broker, send_all
from monitor.runtime import process, tasks
from monitor.runtime.logging import configure, get_logger
from monitor.runtime.settings import Settings
from monitor.services.access.rate_limits import RateLimits
from monitor.services.secrets import at_rest
from monitor.services.secrets.vault import Vault
from monitor.services.workers import presence
from monitor.services.workers.clock import SharedClock
from monitor.storage.postgres.pool import make_pool
from monitor.storage.redis.client import make_client
from monitor.storage.timeseries.contract import KeptDays
from monitor.storage.timeseries.open import open_tick_store

log = get_logger(__name__)

GRACE_S = 3
"""How long requests in progress may take after a shutdown signal."""


def serve(settings: Settings) -> None:
    """Serve the API until SIGTERM or SIGINT, then finish requests in progress within 3 s.

    Starts even if stores are unavailable: /readyz names them, and requests that need them get 503.
    Raises SettingsError if a setting is missing.
    """
    settings.need("DATABASE_URL")
    settings.need("REDIS_URL")
    configure("api", settings.monitor_log_level)
    logging.getLogger("uvicorn.error").setLevel(
        "ERROR"
    )  # clients could flood the log with warnings
    process.raise_open_files_limit()
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    dramatiq.set_broker(Broker(settings.need("REDIS_URL")))
    deadline_s = float(settings.monitor_api_deadline_s)
    pool, reading = (
        make_pool(settings.need("DATABASE_URL"), lock_timeout_s=lock_timeout_s(deadline_s))
        for _ in range(2)
    )
    clock = SharedClock()
    deps = Dependencies(
        pool=pool,
        reading=reading,
        redis=make_client(settings.need("REDIS_URL")),
        tick_store=open_tick_store(settings, reading),
        send=send_all,
        clock=clock.now,
        vault=Vault(settings.monitor_encryption_keys),
        limits=RateLimits(
            settings.monitor_key_requests_per_minute, settings.monitor_wrong_keys_per_minute
        ),
        session_lifetime=SessionLifetime.of_days(
            settings.monitor_session_unused_days, settings.monitor_session_days
        ),
        directories=_directories(settings),
        kept_days=KeptDays(
            settings.monitor_raw_days, settings.monitor_rollup_days, settings.monitor_daily_days
        ),
    )
    app = create_app(
        deps,
        [_lifespan(deps, clock)],
        settings.monitor_cors_origins,
        trusted_proxies=settings.monitor_trusted_proxies,
        deadline_s=deadline_s,
    )
    log.info("api.starting", host=settings.monitor_api_host, port=settings.monitor_api_port)
    process.collect_garbage_rarely()
    host, port = settings.monitor_api_host, settings.monitor_api_port
    await uvicorn.Server(config(app, host, port)).serve()


def config(app: Litestar, host: str, port: int) -> uvicorn.Config:
    """The uvicorn configuration: our connections, logs and proxies instead of uvicorn's."""
    connections: Connections = app.state.connections
    return uvicorn.Config(
        _cancellable(app),
        host=host,
        port=port,
        http=connections.make,  # type: ignore[arg-type] # it is called as a class is
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=math.ceil(connections.limits.keep_alive_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # see forwarding.py
        timeout_graceful_shutdown=GRACE_S,
    )


def _cancellable(app: Litestar) -> ASGIApp:
    """The application, whose requests may be cancelled: uvicorn does so at the end of a shutdown,
    and would log a traceback for each."""

    async def cancellable(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != ScopeType.HTTP:
                raise
            log.warning("api.request_cancelled", route=scope.get("path_template"))

    return cancellable


def _directories(settings: Settings) -> dict[str, Path]:
    """Where the stores of `make up` keep their data, if this process runs on them."""
    stack = settings.monitor_data_dir.resolve()
    try:
        password = (stack / "redis" / "password").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    if not password or password not in settings.need("REDIS_URL"):
        return {}
    return {"redis": stack / "redis", "postgres": stack / "postgres"}


def _lifespan(deps: Dependencies, clock: SharedClock) -> Lifespan:
    """Open and close everything within the app's lifespan: uvicorn exits right after it."""

    @asynccontextmanager
    async def opened(_app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_close_pools, deps)
            await asyncio.gather(deps.pool.open(), deps.reading.open())
            stack.push_async_callback(deps.redis.aclose)
            stack.push_async_callback(deps.tick_store.close)
            stack.push_async_callback(
                tasks.end,
                asyncio.create_task(at_rest.warn(deps.reading, deps.vault)),
                asyncio.create_task(
                    presence.report(deps.redis, presence.API, deps.vault.fingerprints)
                ),
                asyncio.create_task(clock.run(deps.redis)),
                asyncio.create_task(deps.tick_watch.run()),
            )
            yield

    return opened


async def _close_pools(deps: Dependencies) -> None:
    await asyncio.gather(deps.pool.close(timeout=1), deps.reading.close(timeout=1))
