"""Who may ask: bearer tokens (RFC 6750) against the API keys, and the role a route needs."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from monitor.api.problems import RequestError
from monitor.domain.access import Role
from monitor.services.keys import KeyRing

READ: dict[str, Any] = {"role": Role.READ}
WRITE: dict[str, Any] = {"role": Role.WRITE}
ADMIN: dict[str, Any] = {"role": Role.ADMIN}
PUBLIC: dict[str, Any] = {"public": True}
"""What a route is given as ``opt``. A route without any of them needs the highest role."""


async def authorise(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """The guard before every route. Raises RequestError 401 or 403, or Unavailable."""
    if handler.opt.get("public"):
        return
    needed: Role = handler.opt.get("role", Role.ADMIN)
    ring: KeyRing = connection.app.state.key_ring
    role = await ring.role_of(_token(connection))
    if role is None:
        raise _unauthenticated("This API key is not valid.", 'Bearer error="invalid_token"')
    if not role.covers(needed):
        raise RequestError.of(
            403, "forbidden", f"This needs an API key of the role {needed}; yours is {role}."
        )


def _token(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthenticated("Send an API key as `Authorization: Bearer ...`.", "Bearer")
    return token.strip()


def _unauthenticated(detail: str, challenge: str) -> RequestError:
    return RequestError.of(401, "unauthenticated", detail, {"WWW-Authenticate": challenge})
