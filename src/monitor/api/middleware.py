"""Around the whole application: what holds for every request and answer, routed or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from monitor.api.connections import MAX_HEAD_BYTES
from monitor.api.headers import API_HEADERS, Cors, Header, page_headers
from monitor.api.problems import MEDIA_TYPE, Problem, problem_of, unforeseen

MAX_HEADERS = 100

HeadersOf = Callable[[Scope, HTTPResponseStartEvent], list[Header]]


class Surface:
    """Limits of the head, security headers, CORS, and a problem where all else failed."""

    def __init__(self, cors: Cors, page_policy: str) -> None:
        self._cors = cors
        self._page_headers = page_headers(page_policy)

    def around(self, app: ASGIApp) -> ASGIApp:
        """The same application, guarded."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            exchange = _Exchange(self._headers_of, scope, send)
            headers = list(scope["headers"])
            granted = self._cors.preflight(scope["method"], headers)
            if granted is not None:
                await exchange.answer(HTTPStatus.NO_CONTENT, granted, b"")
            elif (problem := _refusal(headers)) is not None:
                await exchange.tell(problem)
            else:
                await exchange.run(app, receive)

        return guarded

    def _headers_of(self, scope: Scope, start: HTTPResponseStartEvent) -> list[Header]:
        given = list(start.get("headers", ()))
        is_page = any(n == b"content-type" and v.startswith(b"text/html") for n, v in given)
        ours = self._page_headers if is_page else API_HEADERS
        names = {name for name, _ in ours}
        kept = [(n, v) for n, v in given if n not in names]
        return [*kept, *ours, *self._cors.headers(dict(scope["headers"]).get(b"origin"))]


class _Exchange:
    """One request and its answer, which gets its headers whoever begins it."""

    def __init__(self, headers_of: HeadersOf, scope: Scope, send: Send) -> None:
        self._headers_of, self._scope, self._send = headers_of, scope, send
        self._begun = False

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        try:
            await app(self._scope, receive, self.send)
        except Exception as error:
            if self._begun:
                raise
            await self.tell(unforeseen(error, self._scope.get("path_template")))

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            message["headers"] = self._headers_of(self._scope, message)
        await self._send(message)

    async def tell(self, problem: Problem) -> None:
        media_type = (b"content-type", MEDIA_TYPE.encode())
        await self.answer(problem.status, [media_type], msgspec.json.encode(problem))

    async def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        sized = headers if status == HTTPStatus.NO_CONTENT else [*headers, _length(body)]
        await self.send({"type": "http.response.start", "status": status, "headers": sized})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def _length(body: bytes) -> Header:
    return b"content-length", str(len(body)).encode()


def _refusal(headers: Sequence[Header]) -> Problem | None:
    """The problem of a head that is too large. h11 bounds only one that comes in pieces."""
    size = sum(len(name) + len(value) + 4 for name, value in headers)
    if len(headers) <= MAX_HEADERS and size <= MAX_HEAD_BYTES:
        return None
    detail = f"At most {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes of them are read."
    return problem_of(431, "headers_too_large", detail)
