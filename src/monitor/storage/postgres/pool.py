"""The connection pool, and the translation of psycopg's errors to ours."""

from __future__ import annotations

import select
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from monitor.domain.errors import Locked, NoRoom, OutcomeUnknown, Unavailable
from monitor.runtime.waiting import note_commit, waiting_for
from monitor.storage.postgres.connection import WatchedConnection

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]

_STATEMENT_TIMEOUT_MS = 30_000
_LOCK_TIMEOUT_S = 10.0
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


_LOCKED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)

_UNKNOWN_OUTCOME = ("08", "57P0", "40003")
"""Beginnings of SQLSTATEs with which a COMMIT may have been carried out all the same."""


def make_pool(
    database_url: str, *, max_size: int = 10, lock_timeout_s: float = _LOCK_TIMEOUT_S
) -> Pool:
    """A closed pool; once opened, it connects and reconnects by itself.

    Sessions use UTC, commit each statement (but see ``transaction``), and time out statements after
    30 s and locks after 10 s. They give up on a server that says nothing for 10 s.
    """
    lock_timeout_ms = int(lock_timeout_s * 1000)
    options = f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c lock_timeout={lock_timeout_ms}"
    return AsyncConnectionPool(
        database_url,
        connection_class=WatchedConnection,
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

    Raises Unavailable if Postgres cannot be reached, is shutting down, or timed out; of it, Locked
    and NoRoom.
    """
    try:
        async with AsyncExitStack() as stack:
            with waiting_for("postgres"):
                connection = await stack.enter_async_context(pool.connection())
            yield connection
    except PASSING as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    if isinstance(error, _LOCKED):
        return Locked("postgres", describe(error))
    if isinstance(error, psycopg.errors.DiskFull):
        return NoRoom("postgres", describe(error), "its disk is full")
    return Unavailable("postgres", describe(error))


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction on one connection: committed at the end, rolled back on any error.

    Raises Unavailable like ``session``, and OutcomeUnknown like ``atomic``.
    """
    async with session(pool) as connection, atomic(connection):
        yield connection


@asynccontextmanager
async def atomic(connection: Connection) -> AsyncIterator[None]:
    """A transaction on this connection, committed at the end, rolled back on any error.

    Raises OutcomeUnknown where the commit was sent and its answer never came.
    """
    committing = False
    try:
        async with connection.transaction():
            yield
            note_commit()
            committing = True
    except PASSING as error:
        if committing and _may_be_stored(error):
            raise OutcomeUnknown("postgres", f"{describe(error)} at COMMIT") from error
        raise


def _may_be_stored(error: Exception) -> bool:
    """Whether a transaction may be stored although its COMMIT failed like this."""
    state: str | None = getattr(error, "sqlstate", None)
    return state is None or state.startswith(_UNKNOWN_OUTCOME)


def describe(error: Exception) -> str:
    """Describe a driver error in one line, without the connection string it may quote."""
    state: Any = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}{f' ({state})' if state else ''}"
