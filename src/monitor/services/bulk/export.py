"""Streams all matching websites as of one instant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from monitor.domain.errors import BadQuery, MonitorError
from monitor.domain.pace import Pace, TransferRate
from monitor.resources.write_plan import Existing
from monitor.services.access import audit
from monitor.services.bulk.places import GaveWay, Place, Places
from monitor.services.workers import regions
from monitor.storage.postgres import export
from monitor.storage.postgres.pool import Pool, session
from monitor.storage.postgres.websites import Filter

MAX_CONCURRENT_EXPORTS = 3
"""Per process; each export holds a database connection."""

RATE = TransferRate()
"""A client that reads less is cut off."""

_BLOCK_BYTES = 32 * 1024
"""What is handed on at once: progress is only known block by block."""

Page = list[Existing]


class ReadTooSlowly(MonitorError):
    """The client reads too little for its export to keep its place."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """The dependencies of exports."""

    pool: Pool
    places: Places
    rate: TransferRate = RATE


class Export:
    """A running export: its ``pages``, and the watch over how they are read."""

    def __init__(self, exporter: Exporter, filters: Filter) -> None:
        self._pace = Pace(exporter.rate)
        self._pages = _Pages(exporter, filters, self._pace)
        self._first: Page | None = None

    @classmethod
    async def begin(cls, exporter: Exporter, filters: Filter) -> Export:
        """Read the first page; so errors are raised here, before streaming.

        Raises BadQuery, also for a region that does not exist, Busy and Unavailable.
        """
        if filters.q is not None and not filters.q.isprintable():
            raise BadQuery.of("q", "must not contain control characters")
        begun = cls(exporter, filters)
        begun._first = await begun._pages.next()
        return begun

    async def pages(self) -> AsyncGenerator[Page]:
        """All pages. Raises ReadTooSlowly, GaveWay and Unavailable."""
        try:
            page = self._first
            while page is not None:
                yield page
                page = await self._pages.next()
        finally:
            await self._pages.close()

    async def watched(self, parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """The same bytes in blocks, each of which the client has to read before the next."""
        async with aclosing(parts):
            async for part in parts:
                for start in range(0, len(part), _BLOCK_BYTES):
                    block = part[start : start + _BLOCK_BYTES]
                    self._pace.begin(time.monotonic())
                    yield block
                    self._pace.end(time.monotonic(), len(block))


class _Pages:
    """Reads at most one page ahead of the caller.

    The reader is a separate task, so that it can release its connection even if the caller stops
    reading without disconnecting.
    """

    def __init__(self, exporter: Exporter, filters: Filter, pace: Pace) -> None:
        self._exporter, self._filters, self._pace = exporter, filters, pace
        self._read: asyncio.Queue[Page] = asyncio.Queue(maxsize=1)
        self._reader = asyncio.create_task(self._read_all())

    async def next(self) -> Page | None:
        """The next page; None at the end. Raises the reader's error, if any."""
        taking = asyncio.create_task(self._read.get())
        try:
            await asyncio.wait({taking, self._reader}, return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                return taking.result()
            if not self._read.empty():
                return self._read.get_nowait()
            self._reader.result()
            return None
        finally:
            taking.cancel()

    async def close(self) -> None:
        self._reader.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._reader

    async def _read_all(self) -> None:
        async with (
            self._exporter.places.place(audit.holder()) as place,
            session(self._exporter.pool) as connection,
        ):
            try:
                if self._filters.region is not None:
                    await regions.must_exist(connection, self._filters.region)
                async with aclosing(export.pages(connection, self._filters)) as pages:
                    async for page in pages:
                        await self._enqueue(page, place)
            except BaseException:
                # Closing the session drops the held cursor.
                await connection.close()
                raise

    async def _enqueue(self, page: Page, place: Place) -> None:
        """Hand a page on once there is room. Raises ReadTooSlowly, and GaveWay."""
        while True:
            try:
                async with place.patience(self._pace.patience_s(time.monotonic())):
                    await self._read.put(page)
                    return
            except TimeoutError:
                if place.revoked:
                    raise GaveWay("Another API key waits for a place.") from None
                if self._pace.is_too_slow(time.monotonic()):
                    detail = f"The client read less than {self._exporter.rate}."
                    raise ReadTooSlowly(detail) from None
