"""Websites to check: servers on loopback that answer well, badly, or not at all.

``TargetServer`` runs inside an event loop (``async with``), or beside synchronous code::

    with targets_in_thread() as target:
        target.behaviour = answers(503)

A behaviour is a coroutine function of one ``Exchange``: one connection, spoken raw.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Received:
    """A request as it came: header names in lower case, the body as far as Content-Length says."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """The other side of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def gone(self) -> None:
        """Until the other side has left; what it still says is thrown away."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """Leave with an RST instead of a FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Exchange(Peer):
    """One connection to a target."""

    requests: list[Received]
    received: Received | None = None

    async def request(self) -> Received:
        """The connection's one request; read when first asked for."""
        if self.received is not None:
            return self.received
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        self.received = Received(method, target, headers, body)
        self.requests.append(self.received)
        return self.received

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


Behaviour = Callable[[Exchange], Awaitable[None]]

_LEFT = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, RuntimeError)
"""How it shows that the other side left; RuntimeError is uvloop's, for a transport it closed."""


def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, once: one over TLS that is closed twice, or after it ended, cannot be
    aborted any more in Python 3.11.2, which is Debian 12's."""
    if not writer.is_closing():
        writer.close()


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answers(
    status: int = 200, body: bytes = b"fine", headers: Mapping[str, str] | None = None
) -> Behaviour:
    """A complete answer; none of the body where the request is HEAD."""

    async def behave(exchange: Exchange) -> None:
        received = await exchange.request()
        known = {"Content-Length": str(len(body)), **(headers or {})}
        await exchange.send(head(status, known) + (b"" if received.method == "HEAD" else body))

    return behave


def redirects(location: str, status: int = 302) -> Behaviour:
    return answers(status, b"", {"Location": location})


def by_path(routes: Mapping[str, Behaviour]) -> Behaviour:
    """Another behaviour for each request target; 404 for what is not listed."""

    async def behave(exchange: Exchange) -> None:
        received = await exchange.request()
        await routes.get(received.target, answers(404))(exchange)

    return behave


def sends(data: bytes) -> Behaviour:
    """These bytes for an answer, whatever the request, and the end."""

    async def behave(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(data)

    return behave


def sends_and_stays(data: bytes) -> Behaviour:
    """These bytes, and then silence on an open connection."""

    async def behave(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(data)
        await exchange.gone()

    return behave


def repeats(start: bytes, part: bytes, pause_s: float = 0.0) -> Behaviour:
    """``start`` and then ``part`` again and again until the other side leaves."""

    async def behave(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(start)
        leaving = asyncio.create_task(exchange.gone())
        try:
            while not leaving.done():
                await exchange.send(part)
                await asyncio.wait([leaving], timeout=pause_s)
        finally:
            leaving.cancel()

    return behave


async def silent(exchange: Exchange) -> None:
    """Accept and never say a word."""
    await exchange.gone()


async def resets(exchange: Exchange) -> None:
    await exchange.request()
    exchange.reset()


async def hangs_up(exchange: Exchange) -> None:
    """Leave at once, with a FIN."""


@dataclass
class TargetServer:
    """A website on loopback. ``behaviour`` may be replaced at any time, from any thread.

    ``open`` counts the connections that stand, ``accepted`` all there ever were.
    """

    behaviour: Behaviour = field(default_factory=answers)
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    open: int = 0
    accepted: int = 0
    requests: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.url_of()

    def url_of(self, path: str = "/", host: str | None = None) -> str:
        name = host or self.host
        name = f"[{name}]" if ":" in name else name
        return f"{'https' if self.tls else 'http'}://{name}:{self.port}{path}"

    async def __aenter__(self) -> Self:
        self._idle = asyncio.Event()
        self._idle.set()
        self._transports: set[asyncio.WriteTransport] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, ssl=self.tls, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        for transport in self._transports:
            transport.abort()
        for task in self._answering:
            task.cancel()  # its answer may be longer in coming than anybody waits
        await self.idle()

    async def idle(self) -> None:
        """Until no connection stands."""
        await asyncio.wait_for(self._idle.wait(), 5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._transports.add(writer.transport)
        self.open, self.accepted = self.open + 1, self.accepted + 1
        self._idle.clear()
        try:
            with contextlib.suppress(*_LEFT):
                await self._answer(Exchange(reader, writer, self.requests))
                close(writer)
                await writer.wait_closed()
        finally:
            with contextlib.suppress(*_LEFT):
                writer.transport.abort()
                await writer.wait_closed()  # takes note of how the connection ended
            self._transports.discard(writer.transport)
            self.open -= 1
            if not self.open:
                self._idle.set()

    async def _answer(self, exchange: Exchange) -> None:
        answering = asyncio.ensure_future(self.behaviour(exchange))
        self._answering.add(answering)
        try:
            await asyncio.wait([answering])
        finally:
            self._answering.discard(answering)
        if not answering.cancelled():
            answering.result()


@contextlib.contextmanager
def targets_in_thread(
    behaviour: Behaviour | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[TargetServer]:
    """A target that runs in a thread of its own."""
    target = TargetServer(behaviour or answers(), tls)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with target:
            ready.set()
            await done.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="target")
    thread.start()
    try:
        assert ready.wait(10)
        yield target
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)


@contextlib.contextmanager
def refusing_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections, and that nobody else gets meanwhile."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def unanswering_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port where connecting neither succeeds nor fails: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield address[1]
