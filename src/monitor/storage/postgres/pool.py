"""The connection pool, and where psycopg's errors become ours."""

from __future__ import annotations

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from monitor.domain.errors import Unavailable

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]

_STATEMENT_TIMEOUT_MS = 30_000
_LOCK_TIMEOUT_MS = 10_000
_WAIT_FOR_CONNECTION_S = 5.0

_DEAD_AFTER = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds, and on Linux alone
}
"""A host that is gone without a word is missed in 30 s, not in the systems' two hours."""

PASSING = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,  # a server that is no longer, or not yet, the primary
    PoolTimeout,
)
"""Errors of the server or the way to it, not of what was asked: trying again may help."""


def make_pool(database_url: str, *, max_size: int = 10) -> Pool:
    """A pool that opens with ``open_pool`` and connects, and connects again, on its own.

    Sessions speak UTC, commit each statement unless told otherwise (see ``transaction``), and give
    up on statements after 30 s and on locks after 10 s.
    """
    options = f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c lock_timeout={_LOCK_TIMEOUT_MS}"
    return AsyncConnectionPool(
        database_url,
        min_size=1,
        max_size=max_size,
        timeout=_WAIT_FOR_CONNECTION_S,
        # Left alone, the pool doubles its pauses between attempts, up to minutes. So each attempt
        # is given up early; the next who asks for a connection begins a new one.
        reconnect_timeout=_WAIT_FOR_CONNECTION_S,
        open=False,
        configure=_configure,
        check=_check,
        kwargs={"options": f"{options} -c timezone=UTC", "autocommit": True, **_DEAD_AFTER},
    )


async def _configure(connection: Connection) -> None:
    set_json_loads(msgspec.json.decode, connection)


async def _check(connection: Connection) -> None:
    """Raises OperationalError where the server has ended the session, and the pool makes another.

    While nobody asks, a server only speaks to say goodbye, or with news of its settings: so there
    is a need to ask only where there is something to read. Each question is a way there and back.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        await AsyncConnectionPool.check_connection(connection)


@asynccontextmanager
async def session(pool: Pool) -> AsyncIterator[Connection]:
    """A connection on which each statement stands alone: for a single question, or for whoever
    begins transactions of their own.

    Raises Unavailable where Postgres cannot be reached, is shutting down, or timed out.
    """
    try:
        async with pool.connection() as connection:
            yield connection
    except PASSING as error:
        raise Unavailable("postgres", describe(error)) from error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction on one connection: committed at the end, rolled back on any error.

    Raises Unavailable as ``session`` does.
    """
    async with session(pool) as connection, connection.transaction():
        yield connection


def describe(error: Exception) -> str:
    """One line about a driver error, without the connection string it may quote."""
    state: Any = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}{f' ({state})' if state else ''}"
