"""Who may ask: bearer tokens (RFC 6750) against the API keys, and the role a route needs."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from monitor.api.problems import RequestError
from monitor.domain.access import Identity, Refusal, Role
from monitor.services.key_ring import KeyRing

READ: dict[str, Any] = {"role": Role.READ}
WRITE: dict[str, Any] = {"role": Role.WRITE}
ADMIN: dict[str, Any] = {"role": Role.ADMIN}
PUBLIC: dict[str, Any] = {"public": True}
"""What a route is given as ``opt``. A route without any of them needs the highest role."""


def needed_role(handler: BaseRouteHandler) -> Role | None:
    """The least role whose keys may use this route; None: whoever asks may."""
    return None if handler.opt.get("public") else handler.opt.get("role", Role.ADMIN)


async def authorise(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """The guard before every route. Raises RequestError 401 or 403, or Unavailable."""
    needed = needed_role(handler)
    if needed is None:
        return
    who = await _identified(connection)
    if not who.role.covers(needed):
        raise RequestError.of(
            403, "forbidden", f"This needs an API key of the role {needed}; yours is {who.role}."
        )


async def _identified(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity:
    ring: KeyRing = connection.app.state.key_ring
    token = _token(connection)
    found = await ring.identify(token) if token else Refusal.MISSING
    if isinstance(found, Identity):
        return found
    raise RequestError.of(401, "unauthenticated", _SAYINGS[found], _CHALLENGES[found])


def _token(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The key as it was sent; empty where none was."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


_INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_CHALLENGES = dict.fromkeys(Refusal, _INVALID) | {Refusal.MISSING: {"WWW-Authenticate": "Bearer"}}
_SAYINGS = {
    Refusal.MISSING: "Send an API key as `Authorization: Bearer ...`.",
    Refusal.UNKNOWN: "This API key is not valid.",
    Refusal.EXPIRED: "This API key has expired.",
    Refusal.REVOKED: "This API key was revoked.",
}
"""What is told of an ended key is told to whoever holds it alone."""
