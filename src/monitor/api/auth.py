"""Who may ask: bearer tokens (RFC 6750) against the API keys, and the role a route needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from monitor.api.metrics.access import AccessMetrics
from monitor.api.problems import RequestError
from monitor.domain import rate
from monitor.domain.access import Identity, Refusal, Role
from monitor.domain.rate import RateLimitState
from monitor.resources.audit import Actor
from monitor.services.access import audit
from monitor.services.access.key_ring import KeyRing
from monitor.services.access.rate_limits import KeyLimit, WrongKeys

READ: dict[str, Any] = {"role": Role.READ}
WRITE: dict[str, Any] = {"role": Role.WRITE}
ADMIN: dict[str, Any] = {"role": Role.ADMIN}
PUBLIC: dict[str, Any] = {"public": True}
"""What a route is given as ``opt``. A route without any of them needs the highest role."""

RATE_HEADERS = "rate_headers"
"""Where the headers for the answer are kept, in the state of the request."""


def needed_role(handler: BaseRouteHandler) -> Role | None:
    """The least role whose keys may use this route; None: whoever asks may."""
    return None if handler.opt.get("public") else handler.opt.get("role", Role.ADMIN)


async def authorise(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """The guard before every route. Raises RequestError 401, 403 or 429, or Unavailable."""
    needed = needed_role(handler)
    if needed is None:
        return
    gate: Gate = connection.app.state.gate
    who = await _identified(connection, gate)
    audit.act_as(Actor(who.name, who.key_id, _address(connection)))
    await _count(connection, gate, who)
    if not who.role.covers(needed):
        raise RequestError.of(
            403, "forbidden", f"This needs an API key of the role {needed}; yours is {who.role}."
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """What decides who is let in."""

    ring: KeyRing
    requests: KeyLimit
    wrong_keys: WrongKeys
    metrics: AccessMetrics


async def _identified(connection: ASGIConnection[Any, Any, Any, Any], gate: Gate) -> Identity:
    token, address = _token(connection), _address(connection) or ""
    # A key that was good here is always looked at: whoever guesses locks out no neighbour.
    if token and not gate.ring.has_known(token):
        _refuse_guessing(gate, address)
    found = await gate.ring.identify(token) if token else Refusal.MISSING
    if isinstance(found, Identity):
        return found
    gate.metrics.unauthenticated(found)
    if found is not Refusal.MISSING:
        gate.wrong_keys.note(address)
    raise RequestError.of(401, "unauthenticated", _SAYINGS[found], _CHALLENGES[found])


def _refuse_guessing(gate: Gate, address: str) -> None:
    refused = gate.wrong_keys.refused(address)
    if refused is not None:
        gate.metrics.limited("wrong_keys")
        raise _too_many("Too many wrong API keys came from your address; try again later.", refused)


async def _count(connection: ASGIConnection[Any, Any, Any, Any], gate: Gate, who: Identity) -> None:
    """Count the request, and say in the answer how many are left."""
    now = await gate.requests.spend(who.key_id.hex)
    if now is None:
        return
    connection.scope["state"][RATE_HEADERS] = rate.headers(gate.requests.requests, now)
    if not now.allowed:
        gate.metrics.limited("requests")
        detail = f"This API key may make {gate.requests.requests} requests a minute; wait a little."
        raise _too_many(detail, now)


def _too_many(detail: str, now: RateLimitState) -> RequestError:
    """429 (RFC 6585, section 4)."""
    wait = {"Retry-After": str(max(math.ceil(now.next_in_s), 1))}
    return RequestError.of(429, "too_many_requests", detail, wait)


def _address(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    return connection.client.host if connection.client else None


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
