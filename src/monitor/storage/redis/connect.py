"""Whether Redis lets us in, and why not, in words for whoever started a command."""

from __future__ import annotations

import os

import redis
from redis.exceptions import AuthenticationError, RedisError

from monitor.domain.errors import Unavailable

_TIMEOUT_S = 5.0


def must_connect(redis_url: str) -> None:
    """Connect once, waiting for at most 5 s.

    Raises Unavailable: where, why, and which setting to look at.
    """
    client = redis.Redis.from_url(
        redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )
    try:
        client.ping()
    except (RedisError, OSError) as error:
        where = _where(client.connection_pool.connection_kwargs)
        text = f"no connection to {where} ({_why(error)}): is it running, and is REDIS_URL right?"
        raise Unavailable("redis", text) from error
    finally:
        client.close()


def _where(connection: dict[str, object]) -> str:
    if "path" in connection:
        return str(connection["path"])
    return f"{connection.get('host', 'localhost')}:{connection.get('port', 6379)}"


def _why(error: Exception) -> str:
    """Our own words, as the driver's may quote what was sent."""
    if isinstance(error, AuthenticationError):
        return "it refused user or password"
    if isinstance(error, redis.TimeoutError):
        return "it did not answer in time"
    cause = error if isinstance(error, OSError) else error.__context__
    number = cause.errno if isinstance(cause, OSError) else None
    return os.strerror(number) if number and number > 0 else type(cause or error).__name__
