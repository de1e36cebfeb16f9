"""The Redis client, and where its errors become ours."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from monitor.domain.errors import Unavailable

_TIMEOUT_S = 5.0


def make_client(redis_url: str) -> Redis:
    """An asyncio client that answers in bytes and gives up on a silent server after 5 s."""
    return Redis.from_url(redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)


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
