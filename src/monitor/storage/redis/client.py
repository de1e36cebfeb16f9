"""The Redis client and the translation of its errors."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import hiredis
import redis
from redis.asyncio import Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import DataError, OutOfMemoryError, RedisError, ResponseError
from redis.typing import EncodableT

from monitor.domain.errors import NoRoom, Unavailable
from monitor.runtime.waiting import waiting_for

_TIMEOUT_S = 5.0

_ASK_AFTER_IDLE_S = 15.0
"""A pooled connection that was idle for longer may have died without a word."""
_PONG_WITHIN_S = 1.0


class _Revived:
    """Opens a pooled connection anew if it died while nobody used it.

    redis-py does not look, because data that waits to be read may be a notification by the server.
    So the next command fails, however long ago the connection broke. Sending that command again
    would carry out twice what was lost on its way back.
    """

    _asked_s = 0.0

    async def connect(self: Any) -> None:
        """Make sure that there is a connection; the pool calls this before handing it out."""
        if self.is_connected and not await self._is_alive():
            await self.disconnect(nowait=True)
        self._asked_s = time.monotonic()
        await super().connect()  # type: ignore[misc] # of the class it is mixed into

    async def _is_alive(self: Any) -> bool:
        reader = self._reader
        if reader.at_eof() or reader.exception() is not None or self._writer.is_closing():
            return False
        idle_s: float = time.monotonic() - self._asked_s
        return idle_s < _ASK_AFTER_IDLE_S or bool(await self._answers())

    async def _answers(self: Any) -> bool:
        try:
            async with asyncio.timeout(_PONG_WITHIN_S):
                await self.send_command("PING", check_health=False)
                await self.read_response()
        except ResponseError:  # it refuses, for want of disk perhaps
            return True
        except (RedisError, OSError):
            return False
        return True


class _Packing:
    """Encodes commands with hiredis, as redis-py does only in its synchronous client.

    A batch of 500 has three thousand arguments (docs/performance.md).
    """

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """Encode a command. Raises DataError where an argument cannot be encoded."""
        name, *rest = args
        # "SCRIPT LOAD" is sent as two words.
        words = name.split() if isinstance(name, bytes) else str(name).split()
        try:
            return [hiredis.pack_command((*words, *rest))]
        except TypeError as error:
            raise DataError(str(error)) from error


class _Tcp(_Packing, _Revived, Connection):
    pass


class _Tls(_Packing, _Revived, SSLConnection):
    pass


class _Unix(_Packing, _Revived, UnixDomainSocketConnection):
    pass


_PACKING = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}


def make_client(redis_url: str) -> Redis:
    """An asyncio client that returns bytes and times out after 5 s of silence."""
    client = Redis.from_url(redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    pool = client.connection_pool
    pool.connection_class = _PACKING[pool.connection_class]
    return client


_SILENT_S = 15
_PROBES, _PROBE_EVERY_S = 3, 5
_KEEPALIVE = {
    "TCP_KEEPIDLE": _SILENT_S,  # Linux
    "TCP_KEEPALIVE": _SILENT_S,  # macOS
    "TCP_KEEPINTVL": _PROBE_EVERY_S,
    "TCP_KEEPCNT": _PROBES,
    "TCP_USER_TIMEOUT": (_SILENT_S + _PROBES * _PROBE_EVERY_S) * 1000,
}


def keepalive() -> dict[int, int]:
    """TCP socket options that detect a vanished host within 30 s.

    The system defaults are two hours while waiting for a response, and a quarter of an hour while
    sending. Options that this system lacks are omitted.
    """
    options = {getattr(socket, name, None): value for name, value in _KEEPALIVE.items()}
    return {option: value for option, value in options.items() if option is not None}


def make_queue_client(redis_url: str, timeout_s: float | None = None, **more: Any) -> redis.Redis:
    """A client for threads, by default without a read timeout: a fetch that timed out here might
    still have taken messages there."""
    is_tcp = not redis_url.startswith("unix:")
    alive = {"socket_keepalive": True, "socket_keepalive_options": keepalive()} if is_tcp else {}
    return redis.Redis.from_url(
        redis_url, socket_timeout=timeout_s, socket_connect_timeout=_TIMEOUT_S, **alive, **more
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turn any failure of Redis or of the connection into Unavailable; of it, NoRoom."""
    try:
        with waiting_for("redis"):
            yield
    except (RedisError, OSError) as error:
        raise unavailable(error) from error


def unavailable(error: Exception) -> Unavailable:
    """What an error of the client means."""
    if isinstance(error, ResponseError) and "MISCONF" in str(error):
        why = "it cannot write to its disk, which is probably full"
        return NoRoom("redis", "MISCONF, it cannot write to its disk", why)
    if isinstance(error, OutOfMemoryError):
        why = "its memory (maxmemory) is full"
        return NoRoom("redis", "OOM, it has reached its maxmemory", why)
    return Unavailable("redis", type(error).__name__)


@asynccontextmanager
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A client that is closed at the end of the block."""
    redis_client = make_client(redis_url)
    try:
        yield redis_client
    finally:
        await redis_client.aclose()


async def server_time(redis: Redis) -> float:
    """The server's time in Unix seconds."""
    with translated():
        seconds, micros = await redis.time()
    return float(seconds) + float(micros) / 1e6


def raw(value: object) -> bytes:
    """A response as bytes: our clients never decode."""
    assert isinstance(value, bytes)
    return value
