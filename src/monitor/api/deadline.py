"""How long a request may take. What it waited for when its time ended is named in the response."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from monitor.api.problems import RequestError, is_safe, retry_headers
from monitor.runtime import waiting
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

DEADLINE_S = 10.0

BY_BLOCK: dict[str, Any] = {"deadline_by_block": True}
"""The ``opt`` of a route that streams: each block of its body or response has the whole time."""

OWN_TIME_OUTS: dict[str, Any] = {"deadline_s": DEADLINE_S}
"""The ``opt`` of a route that gives up each store by itself, whatever the setting says."""

ONE_LONG_TRANSACTION: dict[str, Any] = {"deadline_s": 300.0}
"""The ``opt`` of a route that works on all websites at once, up to its first block. The store must
be heard of every 10 s all the same (storage/postgres/connection.py)."""


_CLOCK_SLACK_S = 0.1
"""Timers of an event loop may fire a little early."""


def lock_timeout_s(deadline_s: float) -> float:
    """How long a statement may wait for a lock: less than its request may take, so that the
    response can say what held it up."""
    return min(0.8 * deadline_s, 10.0)


class Deadline:
    """The time that one request may take, less what its client takes to send and to read."""

    def __init__(self, limit_s: float, timeout: asyncio.Timeout) -> None:
        self.limit_s = self._left_s = self._block_s = limit_s
        self._timeout = timeout
        self._by_block = False
        self._pauses = 0

    def follow(self, opt: dict[str, Any]) -> None:
        """Apply what the route of the request says in its ``opt``."""
        self._by_block = bool(opt.get("deadline_by_block"))
        if "deadline_s" in opt:
            self.limit_s = self._left_s = max(opt["deadline_s"], self.limit_s)
            self._end_at(_now_s() + self._left_s)

    def block_done(self) -> None:
        """Begin the time of the next block, in a route that streams."""
        if self._by_block and not self._pauses:
            self._begin_block()
            self._end_at(_now_s() + self._left_s)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock while the client has to act."""
        if self._pauses == 0:
            self._left_s = max((self._timeout.when() or 0.0) - _now_s(), 0.0)
            self._end_at(None)
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            if self._pauses == 0:
                if self._by_block:
                    self._begin_block()
                self._end_at(_now_s() + self._left_s)

    def _begin_block(self) -> None:
        self.limit_s = self._left_s = self._block_s

    def _end_at(self, when_s: float | None) -> None:
        if not self._timeout.expired():
            self._timeout.reschedule(when_s)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def follow_route(opt: dict[str, Any]) -> None:
    """Apply a route's ``opt`` to the request in progress."""
    deadline = _current.get()
    if deadline is not None:
        deadline.follow(opt)


class RequestDeadlines:
    """Ends each request after ``limit_s`` seconds, or what its route says."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The application, which raises RequestError 503 for a request whose time has ended."""

        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            with waiting.noted() as waits:
                try:
                    async with asyncio.timeout(self._limit_s) as timeout:
                        deadline = Deadline(self._limit_s, timeout)
                        waits.on_commit = deadline.block_done
                        with _applied(deadline):
                            await app(scope, _received(receive, deadline), _sent(send, deadline))
                except TimeoutError:
                    if not timeout.expired():
                        raise
                    stores = waits.since((timeout.when() or 0.0) - _CLOCK_SLACK_S)
                    may_be_stored = waits.may_be_stored and not is_safe(str(scope["method"]))
                    log.warning(
                        "api.deadline_exceeded", route=scope.get("path_template"), stores=stores
                    )
                    raise _exceeded(stores, deadline.limit_s, may_be_stored) from None

        return limited


@contextmanager
def _applied(deadline: Deadline) -> Iterator[None]:
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def _received(receive: Receive, deadline: Deadline) -> Receive:
    """Stop the clock while the body arrives. After its end only a disconnect is waited for."""
    complete = False

    async def received() -> Any:
        nonlocal complete
        if complete:
            return await receive()
        with deadline.paused():
            message = await receive()
        complete = not message.get("more_body", False)
        return message

    return received


def _sent(send: Send, deadline: Deadline) -> Send:
    """Stop the clock while the client reads."""

    async def sent(message: Message) -> None:
        with deadline.paused():
            await send(message)

    return sent


def _exceeded(stores: list[str], limit_s: float, may_be_stored: bool) -> RequestError:
    names = " and ".join(stores)
    late = f"{names} did not answer within" if names else "The request took longer than"
    if may_be_stored:
        detail = (
            f"{late} {limit_s:g} s, and the change may be stored: look before you send it again."
        )
        return RequestError.of(503, "outcome_unknown", detail)
    code = "unavailable" if names else "busy"
    return RequestError.of(503, code, f"{late} {limit_s:g} s; try again soon.", retry_headers())
