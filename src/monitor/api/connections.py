"""Limits on the API's connections: how many there are, and how long a client may stall.

uvicorn sets no time limit on a request head that arrives a byte at a time, a body that continues
after the response, or a response that is never read: each would hold its connection for ever. This
module adds those limits to its h11 protocol; only a stalling client reaches them. Bodies that a
route reads are limited in ``requests.py`` and ``services/bulk/imports.py``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Any

import h11
import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge
from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.api.headers import API_HEADERS
from monitor.api.problems import MEDIA_TYPE, problem_of
from monitor.runtime import tasks
from monitor.runtime.logging import get_logger

_ERRORS = tasks.ErrorLog(
    get_logger(__name__), failed="connections.watch_failed", unavailable="connections.watch_failed"
)

MAX_HEAD_BYTES = 16 * 1024


class ConnectionLimits(Struct, frozen=True):
    """Time limits in seconds, and the maximum number of connections.

    ``head_s``: from opening the connection, or the first byte of a later request, to the end of
    the request's head. ``rest_s``: for the rest of a body after its response. ``response_s``: how
    long a client may read nothing of a response. ``keep_alive_s``: idle time between two requests.
    """

    head_s: float = 10.0
    rest_s: float = 5.0
    response_s: float = 30.0
    keep_alive_s: float = 5.0
    connections: int = 2000


class CloseReason(StrEnum):
    """Why the API closed a connection."""

    HEAD = "head"
    REST = "rest"
    ANSWER = "answer"
    CROWDED = "crowded"


class Connections:
    """All HTTP connections of this process; uvicorn creates them with ``make``.

    At the limit, a new connection replaces the one that has been idle the longest.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        limits: ConnectionLimits | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or ConnectionLimits()
        self.now_s = now_s
        self.waiting: dict[BoundedConnection, None] = {}
        self._open: set[BoundedConnection] = set()
        gauge = Gauge(
            "monitor_http_connections", "Open HTTP connections of this process.", registry=registry
        )
        gauge.set_function(lambda: len(self._open))
        self._closed_by_reason = Counter(
            "monitor_http_connections_ended",
            "Connections closed: their client stalled, or there were too many.",
            ("reason",),
            registry=registry,
        )
        for reason in CloseReason:
            self._closed_by_reason.labels(reason.value)

    def make(self, **uvicorn_arguments: Any) -> BoundedConnection:
        """Create a connection; uvicorn's ``http=``."""
        return BoundedConnection(self, **uvicorn_arguments)

    def opened(self, connection: BoundedConnection) -> None:
        """Make room for a new connection, or refuse it."""
        self._open.add(connection)
        if len(self._open) > self.limits.connections:
            oldest = next(iter(self.waiting), None)
            self._closed_by_reason.labels(CloseReason.CROWDED.value).inc()
            if oldest is None:
                connection.refuse(503, "busy", "There are too many connections; try again later.")
            else:
                self.closed(oldest)
                oldest.transport.abort()
        self.waiting[connection] = None

    def closed(self, connection: BoundedConnection) -> None:
        self._open.discard(connection)
        self.waiting.pop(connection, None)

    @asynccontextmanager
    async def watched(self, _app: Any) -> AsyncIterator[None]:
        """Close overdue connections while the app runs: a lifespan of the app."""
        limits = self.limits
        pause_s = min(limits.head_s, limits.rest_s, limits.response_s, 4.0) / 4
        watching = asyncio.create_task(tasks.run_forever(self._watch, _ERRORS, pause_s=pause_s))
        try:
            yield
        finally:
            await tasks.end(watching)

    async def _watch(self) -> None:
        self.end_overdue()

    def end_overdue(self) -> None:
        """Close every connection whose client has exceeded a limit."""
        now_s = self.now_s()
        for connection in list(self._open):
            with _ERRORS.logged():
                self._end_if_overdue(connection, now_s)

    def _end_if_overdue(self, connection: BoundedConnection, now_s: float) -> None:
        reason = connection.overdue(now_s)
        if reason is not None:
            self._closed_by_reason.labels(reason.value).inc()
            connection.end(reason)


class BoundedConnection(H11Protocol):
    """One connection, which knows how long it has been waiting for its client."""

    def __init__(self, connections: Connections, **uvicorn_arguments: Any) -> None:
        super().__init__(**uvicorn_arguments)
        self._all = connections
        self._head_since_s: float | None = None
        self._responded_s = 0.0
        self._unsent = (0, 0.0)

    # Called by uvicorn and the event loop.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        self._head_since_s = self._all.now_s()
        super().connection_made(transport)
        self._all.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._head_since_s is None and self.conn.their_state is h11.IDLE:
            self._head_since_s = self._all.now_s()
        super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._head_since_s = None
            self._all.waiting.pop(self, None)

    def on_response_complete(self) -> None:
        cycle = self.cycle
        self._responded_s = self._all.now_s()
        super().on_response_complete()
        if self.cycle is cycle:  # not the cycle of a pipelined request
            self._all.waiting[self] = None

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed request (RFC 9112) with the status that h11 suggests."""
        hint = getattr(sys.exception(), "error_status_hint", 400)
        if hint == 431:
            self.refuse(431, "headers_too_large", f"The head is over {MAX_HEAD_BYTES} bytes.")
        else:
            self.refuse(400, "bad_request", msg)

    # Limits.

    def overdue(self, now_s: float) -> CloseReason | None:
        """The limit that the client has exceeded, if any."""
        limits = self._all.limits
        if self._unread_for_s(now_s) > limits.response_s:
            return CloseReason.ANSWER
        if self.transport.is_closing():
            return None
        if now_s - self._head_wait_began_s(now_s) > limits.head_s:
            return CloseReason.HEAD
        if self._body_unfinished() and now_s - self._responded_s > limits.rest_s:
            return CloseReason.REST
        return None

    def _head_wait_began_s(self, now_s: float) -> float:
        """When the wait for a request head began; ``now_s`` if there is none.

        Between requests uvicorn's own timer fires earlier, unless the last bytes of an unread body
        have stopped it.
        """
        if self._head_since_s is not None:
            return self._head_since_s
        return self._responded_s if self.conn.their_state is h11.IDLE else now_s

    def _unread_for_s(self, now_s: float) -> float:
        """How long the client has read nothing of a response."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent[0] or unsent == 0:
            self._unsent = (unsent, now_s)
        return now_s - self._unsent[1]

    def _body_unfinished(self) -> bool:
        """Whether the client is still sending the body of an answered request."""
        responded = self.cycle is not None and self.cycle.response_complete
        return responded and self.conn.their_state is h11.SEND_BODY

    def end(self, reason: CloseReason) -> None:
        """Close the connection, with a response if the client has begun a request."""
        has_begun = bool(self.conn.trailing_data[0])
        if reason is CloseReason.HEAD and has_begun and self.conn.our_state is h11.IDLE:
            self.refuse(408, "head_stalled", "The head of the request did not arrive in time.")
        elif reason is CloseReason.ANSWER:
            self.transport.abort()
        else:
            self.transport.close()

    def refuse(self, status: int, code: str, detail: str) -> None:
        """Respond with a problem, even without a complete request, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        body = msgspec.json.encode(problem_of(status, code, detail))
        headers = [
            *API_HEADERS,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        response = h11.Response(status_code=status, headers=headers)
        with suppress(h11.LocalProtocolError):  # a response to HEAD has no body
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
