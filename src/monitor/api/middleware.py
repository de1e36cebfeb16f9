"""Limits and headers that apply to every request and response, routed or not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from litestar.config.cors import CORSConfig
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from monitor.api.connections import MAX_HEAD_BYTES
from monitor.api.headers import API_HEADERS, Header, cors_headers, page_headers
from monitor.api.problems import (
    MEDIA_TYPE,
    Problem,
    RequestError,
    problem_of,
    retry_headers,
    unforeseen,
)
from monitor.domain.errors import MonitorError
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

MAX_HEADERS = 100


class ResponseHeaders:
    """Limits request heads, adds security headers, and turns unhandled errors into problems.

    Litestar handles CORS, but it adds headers for any origin. So an origin that is not allowed is
    removed from the request, which is then answered as if it had none.
    """

    def __init__(self, cors: CORSConfig | None, page_policy: str) -> None:
        self._cors = cors
        self._page_headers = page_headers(page_policy)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The application with these limits and headers."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            headers = list(scope["headers"])
            origin = self._allowed_origin(headers)
            if origin is None:
                scope["headers"] = [(name, value) for name, value in headers if name != b"origin"]
            exchange = _Exchange(self, scope, send, origin)
            if (problem := _refusal(headers)) is not None:
                await exchange.respond(problem)
            else:
                await exchange.run(app, receive)

        return guarded

    def _allowed_origin(self, headers: Sequence[Header]) -> str | None:
        origin = dict(headers).get(b"origin", b"").decode("latin-1")
        return origin if self._cors and self._cors.is_origin_allowed(origin) else None

    def secured(self, start: HTTPResponseStartEvent) -> list[Header]:
        """The headers of a response; ours replace those of the same name."""
        headers = list(start.get("headers", ()))
        is_page = any(n == b"content-type" and v.startswith(b"text/html") for n, v in headers)
        ours = self._page_headers if is_page else API_HEADERS
        names = {name for name, _ in ours}
        kept = [(n, v) for n, v in headers if n not in names]
        if self._cors and not any(n == b"vary" for n, _ in kept):
            kept.append((b"vary", b"Origin"))  # a cache must not serve it to an allowed origin
        return [*kept, *ours]

    def cors(self, origin: str | None) -> list[Header]:
        """The CORS headers of a response that Litestar did not make."""
        return cors_headers(self._cors, origin) if self._cors and origin is not None else []


class _Exchange:
    """One request and its response, to which headers are added."""

    def __init__(
        self, headers: ResponseHeaders, scope: Scope, send: Send, origin: str | None
    ) -> None:
        self._headers, self._scope, self._send = headers, scope, send
        self._origin = origin
        self._begun = False

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        try:
            await app(self._scope, receive, self.send)
        except asyncio.CancelledError:
            if not self._begun:
                detail = "This process is shutting down; try again."
                await self.respond(problem_of(503, "busy", detail), retry_headers())
            raise
        except Exception as error:
            route = self._scope.get("path_template")
            if self._begun:
                ours = _ours(error)
                if ours is None:
                    raise
                # The connection ends without the end of the response, so the client notices.
                log.warning("api.response_cut", route=route, error=str(ours))
            elif isinstance(error, RequestError):
                await self.respond(error.problem, error.headers)
            else:
                await self.respond(unforeseen(error, route))

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            message["headers"] = self._headers.secured(message)
        await self._send(message)

    async def respond(self, problem: Problem, more: Mapping[str, str] | None = None) -> None:
        """Send a problem instead of the application's response, with ``more`` headers."""
        body = msgspec.json.encode(problem)
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in (more or {}).items()),
            *self._headers.cors(self._origin),
        ]
        await self.send(
            {"type": "http.response.start", "status": problem.status, "headers": headers}
        )
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def _ours(error: BaseException | None) -> MonitorError | None:
    """The error of ours that made a response fail, if it is one: the framework wraps it."""
    while error is not None and not isinstance(error, MonitorError):
        wrapped = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        error = wrapped or error.__cause__
    return error


def _refusal(headers: Sequence[Header]) -> Problem | None:
    """The problem for a head that is too large; h11 limits only those that arrive in pieces."""
    size = sum(len(name) + len(value) + 4 for name, value in headers)
    if len(headers) <= MAX_HEADERS and size <= MAX_HEAD_BYTES:
        return None
    detail = f"A request may have up to {MAX_HEADERS} headers of {MAX_HEAD_BYTES} bytes in all."
    return problem_of(431, "headers_too_large", detail)
