"""What a hostile website does; the plainer ways are in ``targets``."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from functools import cache

from support.targets import Behaviour, Exchange, answers, head

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EVENTS = OK + b"Content-Type: text/event-stream\r\n\r\n"
FINE = OK + b"Content-Length: 4\r\n\r\nfine"


def drips(data: bytes, pause_s: float = 1.0) -> Behaviour:
    """A byte at a time, and silence at the end."""

    async def behave(exchange: Exchange) -> None:
        leaving = asyncio.create_task(exchange.gone())
        try:
            for byte in data:
                await exchange.send(bytes([byte]))
                await asyncio.wait([leaving], timeout=pause_s)
            await leaving
        finally:
            leaving.cancel()

    return behave


def speaks_first(data: bytes) -> Behaviour:
    """Says this without having read the request, and stays."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(data)
        await exchange.gone()

    return behave


def floods_first(data: bytes) -> Behaviour:
    """Says this again and again, without having read anything."""

    async def behave(exchange: Exchange) -> None:
        leaving = asyncio.create_task(exchange.gone())
        try:
            while not leaving.done():
                await exchange.send(data)
                await asyncio.wait([leaving], timeout=0)
        finally:
            leaving.cancel()

    return behave


def sends_then_resets(data: bytes) -> Behaviour:
    """Says this; once it had time to arrive, leaves with an RST, which overtakes what it meets."""

    async def behave(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(data)
        leaving = asyncio.create_task(exchange.gone())
        await asyncio.wait([leaving], timeout=0.2)
        leaving.cancel()
        exchange.reset()

    return behave


def after_hello(data: bytes, *, stays: bool = True) -> Behaviour:
    """Takes the first bytes of a TLS handshake and says this in place of the next step."""

    async def behave(exchange: Exchange) -> None:
        await exchange.reader.read(65536)
        await exchange.send(data)
        if stays:
            await exchange.gone()

    return behave


async def resets_at_once(exchange: Exchange) -> None:
    exchange.reset()


async def resets_after_hello(exchange: Exchange) -> None:
    await exchange.reader.read(65536)
    exchange.reset()


async def reads_nothing(exchange: Exchange) -> None:
    """Accept, and look at nothing, for as long as the process lives."""
    exchange.writer.transport.pause_reading()
    await asyncio.Event().wait()


def redirects_to(location: Callable[[str], str], status: int = 302) -> Behaviour:
    """``/`` leads to what ``location`` makes of the Host that was asked for; all else is fine."""

    async def behave(exchange: Exchange) -> None:
        received = await exchange.request()
        target = location(received.headers["host"])
        answer = answers(status, b"", {"Location": target})
        await (answer if received.target == "/" else answers())(exchange)

    return behave


def redirects_raw(location: bytes, more: bytes = b"") -> Behaviour:
    """A Location of any bytes, and more of the head."""

    async def behave(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(head(302, {})[:-2] + more + b"Location: " + location + b"\r\n\r\n")

    return behave


@cache
def _bomb() -> bytes:
    """64 MiB of zeros in 64 KiB; as a member of a gzip stream it may be repeated at will."""
    return gzip.compress(bytes(64 << 20), 9)


def gzip_bomb(members: int) -> Behaviour:
    """64 MiB a member, unpacked."""

    async def behave(exchange: Exchange) -> None:
        await exchange.request()
        size = members * len(_bomb())
        about = {"Content-Encoding": "gzip", "Content-Length": str(size)}
        await exchange.send(head(200, about))
        for _ in range(members):
            await exchange.send(_bomb())

    return behave
