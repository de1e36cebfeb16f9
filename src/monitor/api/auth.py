"""Authentication by bearer token (RFC 6750), authorisation by role, and rate limits."""

from __future__ import annotations

import math
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
"""The ``opt`` of a route. A route without any of these needs the highest role."""

RATE_HEADERS = "rate_headers"
"""The key in a request's state that holds the rate limit headers of its response."""

Connection = ASGIConnection[Any, Any, Any, Any]


def needed_role(handler: BaseRouteHandler) -> Role | None:
    """The lowest role that may use this route; None if it is public."""
    return None if handler.opt.get("public") else handler.opt.get("role", Role.ADMIN)


async def authorise(connection: Connection, handler: BaseRouteHandler) -> None:
    """The guard of every route. Raises RequestError 401, 403 or 429, or Unavailable."""
    needed = needed_role(handler)
    if needed is None:
        return
    access: AccessControl = connection.app.state.access
    identity = await access.authenticate(_token(connection), _address(connection) or "")
    audit.act_as(Actor(identity.name, identity.key_id, _address(connection)))
    connection.scope["state"][RATE_HEADERS] = await access.count_request(identity)
    if not identity.role.covers(needed):
        detail = f"This needs an API key of the role {needed}; yours is {identity.role}."
        raise RequestError.of(403, "forbidden", detail)


class AccessControl:
    """Admits requests that have a valid key and are within the rate limits."""

    def __init__(
        self, ring: KeyRing, requests: KeyLimit, wrong_keys: WrongKeys, metrics: AccessMetrics
    ) -> None:
        self._ring, self._requests = ring, requests
        self._wrong_keys, self._metrics = wrong_keys, metrics

    async def authenticate(self, token: str, address: str) -> Identity:
        """The owner of this token; "" if none was sent. Raises RequestError 401 or 429."""
        # A token that was valid here is always looked up: guessing never locks out a real client.
        if token and not self._ring.was_valid(token):
            self._refuse_guessing(address)
        result = await self._ring.identify(token) if token else Refusal.MISSING
        if isinstance(result, Identity):
            return result
        self._metrics.unauthenticated(result)
        if result is not Refusal.MISSING:
            self._wrong_keys.count(address)
        raise RequestError.of(401, "unauthenticated", _DETAILS[result], _CHALLENGES[result])

    def _refuse_guessing(self, address: str) -> None:
        state = self._wrong_keys.blocked(address)
        if state is not None:
            self._metrics.limited("wrong_keys")
            detail = "Too many wrong API keys came from your address; try again later."
            raise _too_many(detail, state)

    async def count_request(self, identity: Identity) -> dict[str, str]:
        """Count a request and return the headers that say how many are left.

        Raises RequestError 429 with the same headers.
        """
        state = await self._requests.acquire(identity.key_id.hex)
        if state is None:
            return {}
        limit = self._requests.requests
        headers = rate.headers(limit, state)
        if not state.allowed:
            self._metrics.limited("requests")
            detail = f"This API key may make {limit} requests a minute; wait a little."
            raise _too_many(detail, state, headers)
        return headers


def _too_many(
    detail: str, state: RateLimitState, headers: dict[str, str] | None = None
) -> RequestError:
    """A 429 (RFC 6585, section 4) with Retry-After."""
    wait = {"Retry-After": str(max(math.ceil(state.next_in_s), 1))}
    return RequestError.of(429, "too_many_requests", detail, wait | (headers or {}))


def _address(connection: Connection) -> str | None:
    return connection.client.host if connection.client else None


def _token(connection: Connection) -> str:
    """The bearer token as sent; "" if there is none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


_INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_CHALLENGES = dict.fromkeys(Refusal, _INVALID) | {Refusal.MISSING: {"WWW-Authenticate": "Bearer"}}
_DETAILS = {
    Refusal.MISSING: "Send an API key as `Authorization: Bearer ...`.",
    Refusal.UNKNOWN: "This API key is not valid.",
    Refusal.EXPIRED: "This API key has expired.",
    Refusal.REVOKED: "This API key was revoked.",
}
"""Only a caller who holds the key learns that it has expired or was revoked."""
