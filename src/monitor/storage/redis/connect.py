"""Whether Redis lets us in, and why not, in words for whoever started a command."""

from __future__ import annotations

import os
from typing import Any

import redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from monitor.domain.errors import MonitorError, Unavailable

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
        text = f"{_where_and_why(client, error)}: is it running, and is REDIS_URL right?"
        raise Unavailable("redis", text) from error
    finally:
        client.close()


async def server_info(client: AsyncRedis) -> tuple[dict[str, Any], str]:
    """What the server says of itself (INFO), and where it is.

    Raises Unavailable: where and why; MonitorError where its user may not ask.
    """
    try:
        return await client.info(), _where(client.connection_pool.connection_kwargs)
    except NoPermissionError as error:
        raise MonitorError("the user of REDIS_URL may not run INFO") from error
    except (RedisError, OSError) as error:
        raise Unavailable("redis", _where_and_why(client, error)) from error


def _where_and_why(client: redis.Redis | AsyncRedis, error: Exception) -> str:
    return f"no connection to {_where(client.connection_pool.connection_kwargs)} ({_why(error)})"


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
