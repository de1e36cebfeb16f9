"""Streams all matching websites as of one instant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from monitor.domain.errors import BadQuery
from monitor.resources.write_plan import Existing
from monitor.runtime.event_loop import ConcurrencyLimit
from monitor.runtime.logging import get_logger
from monitor.services.workers import regions
from monitor.storage.postgres import export
from monitor.storage.postgres.pool import Pool, session
from monitor.storage.postgres.websites import Filter

log = get_logger(__name__)

MAX_CONCURRENT_EXPORTS = 3
"""Per process; each export holds a database connection."""

STALL_S = 60.0
"""A client that reads nothing for this long is cut off."""

Page = list[Existing]


@dataclass(frozen=True, slots=True)
class Exporter:
    """The dependencies of exports."""

    pool: Pool
    concurrency: ConcurrencyLimit
    stall_s: float = STALL_S


async def begin(exporter: Exporter, filters: Filter) -> AsyncGenerator[Page]:
    """Read the first page, then return all pages; so errors are raised here, before streaming.

    Raises BadQuery, also for a region that does not exist, Busy and Unavailable.
    """
    if filters.q is not None and not filters.q.isprintable():
        raise BadQuery.of("q", "must not contain control characters")
    pages = _Pages(exporter, filters)
    return _stream(await pages.next(), pages)


async def _stream(page: Page | None, pages: _Pages) -> AsyncGenerator[Page]:
    try:
        while page is not None:
            yield page
            page = await pages.next()
    finally:
        await pages.close()


class _Pages:
    """Reads at most one page ahead of the caller.

    The reader is a separate task, so that it can release its connection even if the caller stops
    reading without disconnecting.
    """

    def __init__(self, exporter: Exporter, filters: Filter) -> None:
        self._exporter, self._filters = exporter, filters
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
        with self._exporter.concurrency.slot():
            async with session(self._exporter.pool) as connection:
                try:
                    if self._filters.region is not None:
                        await regions.must_exist(connection, self._filters.region)
                    async with aclosing(export.pages(connection, self._filters)) as pages:
                        async for page in pages:
                            await self._enqueue(page)
                except BaseException:
                    # Closing the session drops the held cursor.
                    await connection.close()
                    raise

    async def _enqueue(self, page: Page) -> None:
        try:
            async with asyncio.timeout(self._exporter.stall_s):
                await self._read.put(page)
        except TimeoutError:
            log.info("export.stalled")
            raise
