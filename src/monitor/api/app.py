"""The Litestar application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import Message, Scope

from monitor.api.allowed_methods import name_all_methods
from monitor.api.auth import RATE_HEADERS, AccessControl, authorise
from monitor.api.connections import ConnectionLimits, Connections
from monitor.api.deadline import DEADLINE_S, RequestDeadlines
from monitor.api.dependencies import Dependencies
from monitor.api.forwarding import ForwardedClients, Network
from monitor.api.headers import cors_config
from monitor.api.metrics.access import AccessMetrics
from monitor.api.metrics.requests import RequestMetrics
from monitor.api.middleware import ResponseHeaders
from monitor.api.openapi import document as openapi
from monitor.api.openapi.page import SchemaPage
from monitor.api.problems import to_response
from monitor.api.requests import MAX_BODY_BYTES, check_request
from monitor.api.routes import (
    audit,
    bulk,
    checks,
    export,
    health,
    keys,
    metrics,
    monitor,
    regions,
    sla,
    users,
    websites,
)
from monitor.metrics.prometheus import process_registry
from monitor.services.access.key_ring import KeyRing
from monitor.services.access.rate_limits import KeyLimit, WrongKeys
from monitor.services.people.hashing import Hasher
from monitor.services.people.sign_in import SignIn
from monitor.services.workers.installation import InstallationReader

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(
    deps: Dependencies,
    lifespan: Sequence[Lifespan] = (),
    cors_origins: Sequence[str] = (),
    limits: ConnectionLimits | None = None,
    *,
    trusted_proxies: Sequence[Network] = (),
    deadline_s: float = DEADLINE_S,
) -> Litestar:
    """Create the API over these dependencies, which the caller opens and closes.

    ``lifespan``: context managers that stay open while the app is served. ``cors_origins``: origins
    whose pages may call the API. ``limits``: connection limits, for ``state.connections``.
    ``trusted_proxies``: who is believed about the addresses of clients.
    ``deadline_s``: how long a request may take.
    """
    registry, page, cors = process_registry(), SchemaPage(), cors_config(cors_origins)
    connections, metrics_of_access = Connections(registry, limits), AccessMetrics(registry)
    sign_in = SignIn(deps.pool, Hasher(), metrics_of_access.sign_in)
    app = Litestar(
        route_handlers=[
            websites.router,
            bulk.router,
            checks.router,
            export.router,
            regions.router,
            keys.router,
            users.router,
            audit.router,
            monitor.router,
            sla.router,
            health.router,
            metrics.router,
        ],
        dependencies={"deps": Provide(lambda: deps, sync_to_thread=False)},
        state=State(
            {
                "access": _access_control(deps, metrics_of_access),
                "sign_in": sign_in,
                "installation": InstallationReader(deps.reading, deps.redis, deps.clock),
                "metrics": registry,
                "connections": connections,
                "directories": deps.directories,
            }
        ),
        guards=[authorise],
        before_request=check_request,
        before_send=[_add_rate_headers, name_all_methods],
        exception_handlers={Exception: to_response},
        request_max_body_size=MAX_BODY_BYTES,
        cors_config=cors,
        openapi_config=openapi.config(page),
        logging_config=None,
        lifespan=[connections.watched, _closing(sign_in.hasher), *lifespan],
        debug=False,
    )
    openapi.name_roles(app)
    headers = ResponseHeaders(cors, page.policy)
    limited = RequestDeadlines(deadline_s).wrap(app.asgi_handler)
    inner = RequestMetrics(registry).wrap(headers.wrap(limited))
    app.asgi_handler = ForwardedClients(trusted_proxies).wrap(inner)
    return app


def _closing(hasher: Hasher) -> Lifespan:
    @asynccontextmanager
    async def closing(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            hasher.close()

    return closing


def _access_control(deps: Dependencies, metrics: AccessMetrics) -> AccessControl:
    return AccessControl(
        KeyRing(deps.reading),
        KeyLimit(deps.redis, deps.limits),
        WrongKeys(deps.limits.wrong_keys),
        metrics,
    )


async def _add_rate_headers(message: Message, scope: Scope) -> None:
    """Add the rate limit headers to the response of a counted request."""
    if message["type"] == "http.response.start":
        rate_headers = scope["state"].get(RATE_HEADERS, {})
        encoded = [(n.lower().encode(), v.encode()) for n, v in rate_headers.items()]
        message["headers"] = [*message.get("headers", ()), *encoded]
