"""A connection that gives up on a server that says nothing.

The kernel acknowledges packets for a server that hangs, so its connections stay open, and it heeds
neither its own time-outs nor a cancellation. A long query and a server that hangs look the same
from here, until the server is asked something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, generators, waiting
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGcancelConn
from psycopg.rows import TupleRow

from monitor.runtime.waiting import note_cut_short

RV = TypeVar("RV")

ASK_AFTER_S = 5.0
"""After so long without an answer, the server is asked whether it is still there."""

ANSWER_WITHIN_S = 5.0
"""How long it has to say anything at all, if only that it takes no more connections."""

_INTERVAL_S = 0.1
_CANCEL_WITHIN_S = 5.0

_background: set[asyncio.Task[None]] = set()
"""Cancellations under way: the event loop keeps weak references only."""


class ServerSilent(psycopg.OperationalError):
    """The server has said nothing for 10 s, to this connection or a new one."""


class WatchedConnection(AsyncConnection[TupleRow]):
    """A connection that is closed as soon as nobody waits for its query any more.

    A query may take as long as the server's own time-outs allow, but only while the server says
    something to others: every 5 s a new connection asks. A cancelled query is not waited for. In
    both cases the connection is closed, so that no pool hands it out again.
    """

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = _INTERVAL_S,
        timeout: float | None = None,  # noqa: ASYNC109 - psycopg's signature
    ) -> RV:
        """Run a generator of psycopg to its end. Raises ServerSilent."""
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            return await self._answer(gen, interval)
        except asyncio.CancelledError:
            note_cut_short("postgres")
            self._abandon()
            raise
        except ServerSilent:
            self.pgconn.finish()
            raise

    async def _answer(self, gen: PQGen[RV], interval: float) -> RV:
        while True:
            try:
                return await waiting.wait_async(
                    gen, self.pgconn.socket, interval=interval, timeout=ASK_AFTER_S
                )
            except psycopg.errors._WaitTimeout:
                await self._ask()

    async def _ask(self) -> None:
        """Wait for a word from the server. Raises ServerSilent.

        A refusal is a word, too: a server that is full or shutting down ends our query by itself.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                other = await AsyncConnection.connect(self._same_server())
                await other.close()
        except TimeoutError:
            silent_s = ASK_AFTER_S + ANSWER_WITHIN_S
            raise ServerSilent(f"the server has said nothing for {silent_s:g} s") from None
        except psycopg.OperationalError:
            return

    def _same_server(self) -> str:
        """How to connect to the very server that this connection is to, one of several perhaps."""
        info = self.info
        address = {"hostaddr": info.hostaddr} if "hostaddr=" in info.dsn else {}
        return make_conninfo(
            info.dsn, host=info.host, port=info.port, password=info.password, **address
        )

    def _abandon(self) -> None:
        """Close the connection without waiting, and have the server told to cancel its query."""
        if self.info.transaction_status is not TransactionStatus.ACTIVE:
            return
        with suppress(psycopg.Error):
            request = self.pgconn.cancel_conn()
            request.start()
            _in_background(_cancel(request))
        self.pgconn.finish()


async def _cancel(request: PGcancelConn) -> None:
    with suppress(psycopg.Error):
        await waiting.wait_conn_async(
            generators.cancel(request), interval=_INTERVAL_S, timeout=_CANCEL_WITHIN_S
        )
    request.finish()


def _in_background(coroutine: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(coroutine)
    _background.add(task)
    task.add_done_callback(_background.discard)
