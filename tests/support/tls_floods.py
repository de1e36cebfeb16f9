"""Servers that, after a good handshake, say what is no data: a little of it, or without an end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache

from monitor.domain.outcome import Reason
from support import targets_tls
from support.scripted_tls import OK, Behaviour, Connection, Script, accept
from support.targets import Exchange
from support.tls_records import (
    ALERT,
    CERTIFICATE_REQUEST,
    DATA,
    HANDSHAKE,
    HELLO_REQUEST,
    KEY_UPDATE,
    KEY_UPDATE_REQUESTED,
    Sealer,
    telling,
    ticket,
)

_TLS, _LATE = Reason.TLS_ERROR, Reason.RESPONSE_TIMEOUT
_WARNING = b"\x01\x5a"  # user_canceled
_SOME, _AT_ONCE = 8, 50
Say = Callable[[Connection, Sealer], Awaitable[None]]


@dataclass(frozen=True)
class Flood:
    """What a server says instead of, or around, its answer, and what a check finds."""

    name: str
    version: str
    say: Say
    reason: Reason | None = None
    evidence: str = ""

    async def behave(self, connection: Connection) -> None:
        """After the handshake, which was made with ``context``."""
        await connection.request()
        await self.say(connection, Sealer(connection))
        await connection.gone()

    async def over_tcp(self, exchange: Exchange) -> None:
        """The whole connection, for an address."""
        script = Script(context(self.version))
        connection = accept(script, exchange.reader, exchange.writer)
        with contextlib.suppress(ssl.SSLError):
            await connection.handshake()
            await self.behave(connection)


@cache
def context(version: str) -> ssl.SSLContext:
    """A server's, for 127.0.0.1, whose secrets are told."""
    made = targets_tls.certified("127.0.0.1", valid_days=(-2, 60))
    made.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
    return telling(made)


def _record(sealer: Sealer, kind: int, content: bytes) -> bytes:
    record = sealer.seal(kind, content)
    if content in {KEY_UPDATE, KEY_UPDATE_REQUESTED}:
        sealer.update_key()
    return record


def _some(kind: int, content: bytes, count: int = _SOME) -> Say:
    """A few before the answer, and one after its first half."""

    async def say(connection: Connection, sealer: Sealer) -> None:
        for _ in range(count):
            await connection.raw(_record(sealer, kind, content))
        await connection.raw(sealer.seal(DATA, OK[:30]))
        await connection.raw(_record(sealer, kind, content))
        await connection.raw(sealer.seal(DATA, OK[30:]))

    return say


def _endless(kind: int, content: bytes, *, first: bytes = b"", reads: bool = True) -> Say:
    """Without an end, and whether the client's answers are read or not."""

    async def say(connection: Connection, sealer: Sealer) -> None:
        if first:
            await connection.raw(sealer.seal(DATA, first))
        reading = asyncio.ensure_future(connection.gone()) if reads else None
        try:
            while reading is None or not reading.done():
                part = b"".join(_record(sealer, kind, content) for _ in range(_AT_ONCE))
                await connection.raw(part)
                await asyncio.sleep(0)
        finally:
            if reading is not None:
                reading.cancel()

    return say


def _byte_by_byte(data: bytes) -> Say:
    async def say(connection: Connection, sealer: Sealer) -> None:
        await connection.raw(b"".join(sealer.seal(DATA, bytes([byte])) for byte in data))

    return say


def _half_a_record(after: bytes) -> Say:
    async def say(connection: Connection, sealer: Sealer) -> None:
        if after:
            await connection.raw(sealer.seal(DATA, after))
        await connection.raw(sealer.seal(DATA, OK)[:-1])

    return say


async def _padded(connection: Connection, sealer: Sealer) -> None:
    await connection.raw(sealer.seal(DATA, OK, padding=10_000))


_LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000
_HALF_A_TICKET = b"\x04\xff\xff\xff" + bytes(16_000)
_BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nfine"

_OF_1_2 = [
    Flood("some requests to renegotiate", "1.2", _some(HANDSHAKE, HELLO_REQUEST)),
    Flood("some warnings", "1.2", _some(ALERT, _WARNING, 3)),
    Flood("requests to renegotiate", "1.2", _endless(HANDSHAKE, HELLO_REQUEST), _TLS),
    Flood(
        "requests to renegotiate, deaf",
        "1.2",
        _endless(HANDSHAKE, HELLO_REQUEST, reads=False),
        _TLS,
    ),
    Flood("warnings", "1.2", _endless(ALERT, _WARNING), _TLS, "too many warn alerts"),
]
_OF_1_3 = [
    Flood("some tickets", "1.3", _some(HANDSHAKE, ticket())),
    Flood("some new keys", "1.3", _some(HANDSHAKE, KEY_UPDATE)),
    Flood("some requests for new keys", "1.3", _some(HANDSHAKE, KEY_UPDATE_REQUESTED)),
    Flood("padding", "1.3", _padded),
    Flood("tickets", "1.3", _endless(HANDSHAKE, ticket()), _TLS),
    Flood("tickets amid the answer", "1.3", _endless(HANDSHAKE, ticket(), first=_BEGUN), _TLS),
    Flood("large tickets", "1.3", _endless(HANDSHAKE, ticket(16_000)), _TLS),
    Flood("new keys", "1.3", _endless(HANDSHAKE, KEY_UPDATE), _TLS),
    Flood("requests for new keys", "1.3", _endless(HANDSHAKE, KEY_UPDATE_REQUESTED), _TLS),
    Flood(
        "requests for new keys, deaf",
        "1.3",
        _endless(HANDSHAKE, KEY_UPDATE_REQUESTED, reads=False),
        _TLS,
    ),
    Flood("half a ticket", "1.3", _endless(HANDSHAKE, _HALF_A_TICKET), _TLS),
    Flood(
        "a late wish for a certificate",
        "1.3",
        _some(HANDSHAKE, CERTIFICATE_REQUEST),
        _TLS,
        "unexpected message",
    ),
    Flood("an unknown message", "1.3", _some(HANDSHAKE, b"\x63\0\0\0"), _TLS, "unexpected message"),
]
_OF_BOTH = [
    flood
    for version in ("1.2", "1.3")
    for flood in (
        Flood("some empty records", version, _some(DATA, b"", 20)),
        Flood("empty records", version, _endless(DATA, b""), _TLS, "record too small"),
        Flood("an answer byte by byte", version, _byte_by_byte(_LONG)),
        Flood("noise", version, _endless(DATA, b"a"), Reason.INVALID_RESPONSE),
        Flood("half a record", version, _half_a_record(b""), _LATE, "waiting for the response"),
        Flood(
            "half a record amid the answer",
            version,
            _half_a_record(_BEGUN),
            _LATE,
            "reading the response",
        ),
    )
]
FLOODS: list[Flood] = [*_OF_1_2, *_OF_1_3, *_OF_BOTH]


def scripted(flood: Flood) -> Script:
    """For a scripted server."""
    behaviour: Behaviour = flood.behave
    return Script(context(flood.version), behaviour)
