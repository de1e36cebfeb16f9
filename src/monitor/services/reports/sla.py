"""Availability reports: of one website, and of all that match a filter, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from msgspec import Struct, structs

from monitor.domain.report import Figures, Report, Responses, report, total, with_responses
from monitor.domain.series import DAY_S, RAW_DAYS
from monitor.domain.windows import Window
from monitor.resources import cursors, report_window
from monitor.resources.report_window import WindowQuery
from monitor.resources.website import Website
from monitor.services.reports.gather import Gathering, Sources
from monitor.services.websites import latest, manage
from monitor.services.websites.latest import Query
from monitor.services.workers import regions
from monitor.storage.postgres.pool import session

_ROLLUPS_AT_ONCE = 20_000
"""About so many daily roll-ups are read at once, and summed up without a break for others."""

_WEBSITES_AT_ONCE = 100


class WebsiteReport(Struct, frozen=True):
    """The report about one website."""

    website: Website
    report: Report


class Page(Struct, frozen=True):
    """Reports about websites and the figures of all of them together."""

    window: Window
    reports: Sequence[WebsiteReport]
    total: Figures


async def of_website(
    sources: Sources, website_id: UUID, asked: WindowQuery, region: str | None
) -> WebsiteReport:
    """The report about a website; of its regions only this one, if there is one.

    Raises BadQuery, also for a region that does not exist, NotFound and Unavailable.
    """
    gathering = await Gathering.begin(sources, _window(sources, asked))
    if region is not None:
        async with session(sources.pool) as connection:
            await regions.must_exist(connection, region)
    website = (await manage.get(sources.pool, website_id)).website
    (one,) = await _reports(gathering, [website])
    of = await _exact(sources, one)
    if region is not None:
        of = structs.replace(of, regions={n: f for n, f in of.regions.items() if n == region})
    return WebsiteReport(website, of)


async def _exact(sources: Sources, one: WebsiteReport) -> Report:
    """The same report with response times from the checks themselves, if it is a short one."""
    window, of = one.report.window, one.report
    oldest_s = sources.now_s - sources.kept.raw * DAY_S
    if window.length_s > RAW_DAYS * DAY_S or window.since_s < oldest_s:
        return of
    totals = await sources.ticks.totals([one.website.id], window.since_s, window.until_s)
    parts = {t.region: t for t in totals.get(one.website.id, ())}
    responses = {
        name: Responses.exact(window, part.checks, part.responses_ms)
        for name, part in parts.items()
    }
    checks = sum(part.checks for part in parts.values())
    values_ms = [ms for part in parts.values() for ms in part.responses_ms]
    nothing = Responses.exact(window, 0, ())
    return Report(
        window,
        with_responses(of.overall, Responses.exact(window, checks, values_ms)),
        {n: with_responses(f, responses.get(n, nothing)) for n, f in of.regions.items()},
    )


class Listing:
    """The reports about all websites that match a filter, in order of creation.

    ``cursor``: of the page after the last one that was read; None at the end. It holds the window,
    so that all pages have the same.
    """

    def __init__(
        self, gathering: Gathering, query: Query, mark: bytes, position: str | None
    ) -> None:
        self._gathering, self._query, self._mark = gathering, query, mark
        self._position = position

    @classmethod
    async def begin(
        cls, sources: Sources, query: Query, asked: WindowQuery, cursor: str | None
    ) -> Listing:
        """Raises BadQuery and Unavailable."""
        mark = cursors.fingerprint("sla", *structs.astuple(query), *structs.astuple(asked))
        window, position = _window(sources, asked), None
        if cursor is not None:
            window, position = _unpacked(cursors.decode(cursor, mark))
        return cls(await Gathering.begin(sources, window), query, mark, position)

    @property
    def cursor(self) -> str | None:
        if self._position is None:
            return None
        window = self._gathering.window
        packed = b"".join(s.to_bytes(_SECOND_BYTES, "big") for s in structs.astuple(window))
        return cursors.encode(packed + self._position.encode(), self._mark)

    async def next(self, limit: int) -> Page:
        """The next page of at most ``limit`` websites. Raises BadQuery and Unavailable."""
        sources, window = self._gathering.sources, self._gathering.window
        statuses = latest.Sources(sources.pool, sources.redis, sources.now_s)
        listed = await latest.page(statuses, self._query, limit, self._position, need_states=False)
        self._position = listed.next_cursor
        websites = [view.stored.website for view in listed.views]
        reports = await _reports(self._gathering, websites)
        figures = [one.report.overall for one in reports]
        return Page(window, reports, total(figures, self._gathering.read.window))

    async def rest(self, first: Page, limit: int) -> AsyncGenerator[Page]:
        """This page and all after it. Others may read theirs in between, but few at once."""
        yield first
        while self._position is not None:
            async with self._gathering.sources.turns:
                page = await self.next(limit)
            yield page


_SECOND_BYTES = 8


def _unpacked(raw: bytes) -> tuple[Window, str]:
    """The window and the position in a cursor."""
    since, until, position = raw[:8], raw[8:16], raw[16:]
    try:
        window = Window(int.from_bytes(since, "big"), int.from_bytes(until, "big"))
        return window, position.decode("ascii")
    except UnicodeDecodeError:
        raise cursors.not_a_cursor() from None


def _window(sources: Sources, asked: WindowQuery) -> Window:
    return report_window.window(asked, sources.now_s, sources.kept.daily)


async def _reports(gathering: Gathering, websites: Sequence[Website]) -> list[WebsiteReport]:
    """The reports about these websites: as many at once as have few enough days together."""
    days = gathering.window.length_s // DAY_S + 1
    size = max(min(_ROLLUPS_AT_ONCE // days, _WEBSITES_AT_ONCE), 1)
    reports: list[WebsiteReport] = []
    for first in range(0, len(websites), size):
        chunk = websites[first : first + size]
        gathered = await gathering.gather(chunk)
        for website in chunk:
            of = report(gathered[website.id], gathering.window, gathering.read.window)
            reports.append(WebsiteReport(website, of))
            await asyncio.sleep(0)  # others come before the next website
    return reports
