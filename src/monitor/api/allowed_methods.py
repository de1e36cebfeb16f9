"""The Allow header of responses to OPTIONS (RFC 9110, section 10.2.1)."""

from __future__ import annotations

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope, Message, Scope


async def name_all_methods(message: Message, scope: Scope) -> None:
    """Name every method of the path: Litestar's own handler knows those of one router alone, and a
    path may be served by several."""
    if message["type"] != "http.response.start" or scope.get("method") != "OPTIONS":
        return
    headers = message.get("headers", ())
    message["headers"] = [
        (name, _allowed(scope) if name == b"allow" else value) for name, value in headers
    ]


def _allowed(scope: Scope | HTTPScope) -> bytes:
    app: Litestar = scope["litestar_app"]
    template = scope["path_template"]
    methods = {
        method
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path_format == template
        for method in route.methods
    }
    return ", ".join(sorted(methods)).encode()
