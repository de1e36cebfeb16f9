"""Every website that matches, as it would be sent to make it: a stream as of one instant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from monitor.domain.errors import BadQuery
from monitor.resources.write_plan import Existing
from monitor.runtime.event_loop import Slots
from monitor.runtime.logging import get_logger
from monitor.services.workers import regions
from monitor.storage.postgres import export
from monitor.storage.postgres.pool import Pool, session
from monitor.storage.postgres.websites import Filter

log = get_logger(__name__)

AT_ONCE = 3
"""Exports under way in one process: each holds a database connection."""

STALL_S = 60.0
"""A caller that takes nothing for so long gets no more."""

Page = list[Existing]


@dataclass(frozen=True, slots=True)
class Exporter:
    """What exports need."""

    pool: Pool
    slots: Slots
    stall_s: float = STALL_S


async def begin(exporter: Exporter, filters: Filter) -> AsyncGenerator[Page]:
    """The first page is read before this returns, so what can go wrong goes wrong here.

    Raises BadQuery, NotFound for a region that is not there, Busy and Unavailable.
    """
    if filters.q is not None and not filters.q.isprintable():
        raise BadQuery.of("q", "must not contain control characters")
    pages = _Pages(exporter, filters)
    return _chained(await pages.next(), pages)


async def _chained(page: Page | None, pages: _Pages) -> AsyncGenerator[Page]:
    try:
        while page is not None:
            yield page
            page = await pages.next()
    finally:
        await pages.close()


class _Pages:
    """Reads a page ahead of the caller, and no more.

    The reader is a task of its own, so that it can give its connection back although the caller
    neither takes anything nor goes away.
    """

    def __init__(self, exporter: Exporter, filters: Filter) -> None:
        self._exporter, self._filters = exporter, filters
        self._read: asyncio.Queue[Page] = asyncio.Queue(maxsize=1)
        self._reader = asyncio.create_task(self._read_all())

    async def next(self) -> Page | None:
        """The next page; None: that was all. Raises what ended the reading."""
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
        with self._exporter.slots.one():
            async with session(self._exporter.pool) as connection:
                try:
                    if self._filters.region is not None:
                        await regions.must_exist(connection, self._filters.region)
                    async with aclosing(export.pages(connection, self._filters)) as pages:
                        async for page in pages:
                            await self._hand_over(page)
                except BaseException:
                    # What the server put aside goes with the session.
                    await connection.close()
                    raise

    async def _hand_over(self, page: Page) -> None:
        try:
            async with asyncio.timeout(self._exporter.stall_s):
                await self._read.put(page)
        except TimeoutError:
            log.info("export.stalled")
            raise
