"""The Redis client, and where its errors become ours."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import hiredis
import redis
from redis.asyncio import Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, RedisError
from redis.typing import EncodableT

from monitor.domain.errors import Unavailable

_TIMEOUT_S = 5.0


class _Packing:
    """Commands are written by hiredis, as redis-py's own client without asyncio has it do.

    A batch of 500 has three thousand arguments (docs/performance.md).
    """

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """One command. Raises DataError for an argument that is no text, bytes or number."""
        name, *rest = args
        # "SCRIPT LOAD" is two words of a command.
        words = name.split() if isinstance(name, bytes) else str(name).split()
        try:
            return [hiredis.pack_command((*words, *rest))]
        except TypeError as error:
            raise DataError(str(error)) from error


class _Tcp(_Packing, Connection):
    pass


class _Tls(_Packing, SSLConnection):
    pass


class _Unix(_Packing, UnixDomainSocketConnection):
    pass


_PACKING = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}


def make_client(redis_url: str) -> Redis:
    """An asyncio client that answers in bytes and gives up on a silent server after 5 s."""
    made = Redis.from_url(redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    pool = made.connection_pool
    pool.connection_class = _PACKING[pool.connection_class]
    return made


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
    """Options of a TCP socket by which a host that is gone without a word is missed in 30 s.

    The systems' own values are two hours while waiting for an answer, and a quarter of an hour
    while sending. Those that this system does not have are left out.
    """
    known = {getattr(socket, name, None): value for name, value in _KEEPALIVE.items()}
    return {option: value for option, value in known.items() if option is not None}


def make_queue_client(redis_url: str, **more: Any) -> redis.Redis:
    """A client for threads, that waits for an answer as long as the server is there: a fetch that
    timed out here may have taken messages there."""
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=None,
        socket_connect_timeout=_TIMEOUT_S,
        socket_keepalive=True,
        socket_keepalive_options=keepalive(),
        **more,
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turn any failure of Redis or the way to it into Unavailable."""
    try:
        yield
    except (RedisError, RedisConnectionError, OSError) as error:
        raise Unavailable("redis", type(error).__name__) from error


@asynccontextmanager
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A client for the length of a block."""
    opened = make_client(redis_url)
    try:
        yield opened
    finally:
        await opened.aclose()


async def server_time(redis: Redis) -> float:
    """What time it is for the server, in Unix seconds."""
    with translated():
        seconds, micros = await redis.time()
    return float(seconds) + float(micros) / 1e6


def raw(value: object) -> bytes:
    """An answer as the bytes that it is: clients of ours never decode."""
    assert isinstance(value, bytes)
    return value
