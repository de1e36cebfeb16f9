"""The connection pool, and the translation of psycopg's errors to ours."""

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

_DEAD_PEER_DETECTION = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds; Linux only
}
"""Detects a host that vanished within 30 s instead of the system's default of two hours."""

PASSING = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,  # the server is not, or not yet, the primary
    PoolTimeout,
)
"""Temporary errors of the server or the connection, not of the query; a retry may help."""


def make_pool(database_url: str, *, max_size: int = 10) -> Pool:
    """A closed pool; once opened, it connects and reconnects by itself.

    Sessions use UTC, commit each statement (but see ``transaction``), and time out statements after
    30 s and locks after 10 s.
    """
    options = f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c lock_timeout={_LOCK_TIMEOUT_MS}"
    return AsyncConnectionPool(
        database_url,
        min_size=1,
        max_size=max_size,
        timeout=_WAIT_FOR_CONNECTION_S,
        # By default the pool doubles its pauses between attempts, up to minutes. So attempts end
        # early, and the next request for a connection begins a new one.
        reconnect_timeout=_WAIT_FOR_CONNECTION_S,
        open=False,
        configure=_configure,
        check=_check,
        kwargs={
            "options": f"{options} -c timezone=UTC",
            "autocommit": True,
            **_DEAD_PEER_DETECTION,
        },
    )


async def _configure(connection: Connection) -> None:
    set_json_loads(msgspec.json.decode, connection)


async def _check(connection: Connection) -> None:
    """Raise OperationalError if the server has ended the session; the pool then replaces it.

    An idle server only sends a disconnect or changed settings. So a query, which costs a round
    trip, is needed only if there is something to read.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        await AsyncConnectionPool.check_connection(connection)


@asynccontextmanager
async def session(pool: Pool) -> AsyncIterator[Connection]:
    """A connection in autocommit mode, for single queries or explicit transactions.

    Raises Unavailable if Postgres cannot be reached, is shutting down, or timed out.
    """
    try:
        async with pool.connection() as connection:
            yield connection
    except PASSING as error:
        raise Unavailable("postgres", describe(error)) from error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction on one connection: committed at the end, rolled back on any error.

    Raises Unavailable like ``session``.
    """
    async with session(pool) as connection, connection.transaction():
        yield connection


def describe(error: Exception) -> str:
    """Describe a driver error in one line, without the connection string it may quote."""
    state: Any = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}{f' ({state})' if state else ''}"
