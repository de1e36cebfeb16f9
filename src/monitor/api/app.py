"""The Litestar application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import Message, Scope

from monitor.api import openapi
from monitor.api.access import authorise
from monitor.api.dependencies import Dependencies
from monitor.api.problems import to_response
from monitor.api.request_metrics import RequestMetrics
from monitor.api.requests import MAX_BODY_BYTES, check_request
from monitor.api.routes import (
    bulk,
    export,
    health,
    keys,
    metrics,
    monitor,
    regions,
    websites,
)
from monitor.exposition import process_registry
from monitor.services.installation import Observatory
from monitor.services.key_ring import KeyRing

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]

_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


def create_app(deps: Dependencies, lifespan: Sequence[Lifespan] = ()) -> Litestar:
    """The API over these dependencies, which the caller opens and closes.

    ``lifespan``: context managers to hold open while the app is served.
    """
    registry = process_registry()
    app = Litestar(
        route_handlers=[
            websites.router,
            bulk.router,
            export.router,
            regions.router,
            keys.router,
            monitor.router,
            health.router,
            metrics.router,
        ],
        dependencies={"deps": Provide(lambda: deps, sync_to_thread=False)},
        state=State(
            {
                "key_ring": KeyRing(deps.pool),
                "observatory": Observatory(deps.pool, deps.redis, deps.clock),
                "metrics": registry,
            }
        ),
        guards=[authorise],
        before_request=check_request,
        before_send=[_add_headers],
        exception_handlers={Exception: to_response},
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=openapi.config(),
        logging_config=None,
        lifespan=list(lifespan),
        debug=False,
    )
    app.asgi_handler = RequestMetrics(registry).around(app.asgi_handler)
    return app


async def _add_headers(message: Message, _scope: Scope) -> None:
    """On every answer, the framework's own among them: not to be guessed at, not to be stored."""
    if message["type"] == "http.response.start":
        message["headers"] = [*message.get("headers", ()), *_HEADERS]
