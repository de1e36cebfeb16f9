"""A TLS server that decides about every record it sends, and notes what its clients do.

Its handshakes are OpenSSL's, over memory: what they write leaves record by record, so that a
script can say after how many the server falls silent, leaves or says something else. What follows
the handshake is a coroutine function of the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from support.targets import Peer

CLOSED, RESET, STALLED = "closes", "resets", "stalls"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


def alert(description: int, level: int = 2) -> bytes:
    """One in the clear, of the server's (RFC 8446, section 6)."""
    return struct.pack(">BHHBB", 21, 0x0303, 2, level, description)


INTERNAL_ERROR, CLOSE_NOTIFY, USER_CANCELED = alert(80), alert(0, 1), alert(90, 1)


class Ended(Exception):
    """The script's end of what this connection sends."""


@dataclass
class Connection(Peer):
    """One connection that a server accepted.

    ``hello`` is what the client said first, ``sent`` how the server began.
    """

    server: ScriptedServer | None
    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    records_left: float
    hello: bytes = b""
    sent: bytes = b""

    async def handshake(self) -> None:
        """Raises Ended when as many records were sent as the script says, ssl.SSLError where the
        client is refused or leaves."""
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                await self.flush()
                await self._receive()
            finally:
                await self.flush()

    async def read(self) -> bytes:
        """Some of what the client sent; b"" at its end."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                await self.flush()  # the answer to a request for new keys, for one
                await self._receive()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def request(self) -> bytes:
        """A whole request: head, and body of its Content-Length."""
        data = b""
        while not _complete(data):
            part = await self.read()
            if not part:
                raise ConnectionError
            data += part
        if self.server is not None:
            self.server.requests += 1
        return data

    async def write(self, data: bytes) -> None:
        if data:
            self.tls.write(data)
        await self.flush()

    async def flush(self) -> None:
        """Send what OpenSSL has written, as far as the script goes."""
        data = self.outgoing.read()
        while data:
            size = 5 + int.from_bytes(data[3:5])
            record, data = data[:size], data[size:]
            if self.records_left < 1:
                await self.raw(record[: int(size * self.records_left)])
                raise Ended
            self.records_left -= 1
            await self.raw(record)

    async def close_notify(self) -> None:
        """Say, within TLS, that nothing follows (RFC 8446, section 6.1)."""
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
            self.tls.unwrap()
        await self.flush()

    async def raw(self, data: bytes) -> None:
        """Send these bytes as they are."""
        self.sent = self.sent or data
        self.writer.write(data)
        await self.writer.drain()

    async def _receive(self) -> None:
        data = await self.reader.read(65536)
        if data:
            self.hello = self.hello or data
            self.incoming.write(data)
        else:
            self.incoming.write_eof()


Behaviour = Callable[[Connection], Awaitable[None]]

_LEFT = (Ended, ConnectionError, ssl.SSLError, RuntimeError)
"""How it shows that the client left; RuntimeError is uvloop's, for a transport it closed."""


async def fine(connection: Connection) -> None:
    """Read a request and answer it."""
    await connection.request()
    await connection.write(OK)


def says(response: bytes) -> Behaviour:
    async def behave(connection: Connection) -> None:
        await connection.request()
        await connection.write(response)

    return behave


@dataclass(frozen=True)
class Script:
    """How one connection is served.

    ``context``: None for a server that speaks no TLS. ``records``: after how many of its records
    the server stops, within one where it is no whole number. ``ending``: what it does then, or
    after the ``behaviour``: CLOSED, RESET or STALLED, or bytes to say before it stays silent.
    ``delay_s``: what it takes before its first record.
    """

    context: ssl.SSLContext | None
    behaviour: Behaviour = fine
    records: float = float("inf")
    ending: str | bytes = CLOSED
    delay_s: float = 0.0


@dataclass
class ScriptedServer:
    """Serves each connection by a script: the last one of ``scripts``, or those before in turn.

    ``accepted`` and ``requests`` count since ``serve``, and ``connected`` is set by the first;
    ``resumed`` counts for ever. ``asked`` has the names that were asked for (SNI), ``hellos`` the
    first bytes of each client.
    """

    host: str = "127.0.0.1"
    port: int = 0
    accepted: int = 0
    requests: int = 0
    resumed: int = 0
    handshakes: int = 0
    asked: list[str | None] = field(default_factory=list)
    hellos: list[bytes] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    def serve(self, *scripts: Script) -> None:
        """From now on by these: one connection each, the last for all that follow."""
        self._scripts = list(scripts)
        self.accepted = self.requests = 0
        self.connected.clear()

    def url(self, host: str = "", path: str = "/") -> str:
        return f"https://{host or self.host}:{self.port}{path}"

    async def __aenter__(self) -> Self:
        self._scripts = [Script(None)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, self.host, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
        self.accepted += 1
        self.connected.set()
        task = asyncio.ensure_future(self._serve(script, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.errors.append(repr(error))

    async def _serve(
        self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = accept(script, reader, writer, self)
        try:
            with contextlib.suppress(*_LEFT):
                await asyncio.sleep(script.delay_s)
                await self._speak(script, connection)
            await _end(script.ending, connection)
        finally:
            writer.transport.abort()

    async def _speak(self, script: Script, connection: Connection) -> None:
        if script.context is None:
            await script.behaviour(connection)
            return
        try:
            await connection.handshake()
        finally:
            self.hellos.append(connection.hello)
        self.handshakes += 1
        self.resumed += bool(connection.tls.session_reused)
        await script.behaviour(connection)


def accept(
    script: Script,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    server: ScriptedServer | None = None,
) -> Connection:
    """The server's side of a connection, before its handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = script.context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if server is not None:
        context.sni_callback = lambda _tls, name, _context: server.asked.append(name)
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    return Connection(reader, writer, server, tls, incoming, outgoing, script.records)


async def _end(ending: str | bytes, connection: Connection) -> None:
    with contextlib.suppress(*_LEFT):
        if isinstance(ending, bytes):
            await connection.raw(ending)
        if ending == RESET:
            connection.reset()
        elif ending == CLOSED:
            connection.writer.write_eof()
            await connection.gone()
        else:
            await connection.gone()


def _complete(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    lines = head.lower().split(b"\r\n")
    lengths = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
    return len(body) >= sum(lengths)
