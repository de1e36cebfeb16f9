"""The latest status of websites, from Postgres and the states of the regions in Redis."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from msgspec import Struct
from redis.asyncio import Redis

from monitor.domain.errors import BadQuery, Unavailable
from monitor.domain.status import Status, website_status
from monitor.domain.verdict import RegionState, Verdict, is_fresh
from monitor.resources import cursors
from monitor.resources.website_list import BY_FIGURES, Include, Sort
from monitor.runtime.logging import get_logger
from monitor.services.websites import figures
from monitor.services.websites.figures import ListFigures
from monitor.services.workers import regions
from monitor.storage.postgres import figures as stored_figures
from monitor.storage.postgres import website_order, websites
from monitor.storage.postgres.pool import Pool, session
from monitor.storage.postgres.website_order import Position
from monitor.storage.postgres.websites import Filter, Stored
from monitor.storage.redis.states import States

log = get_logger(__name__)

_CANDIDATES = 1000
"""Batch size for filters by a computed status."""

MAX_SCANNED = 10_000
"""Websites examined per page; then the page is returned, with a cursor to continue."""

_NEVER = RegionState()


@dataclass(frozen=True, slots=True)
class Sources:
    """The stores that statuses are read from. ``now_s``: Unix seconds."""

    pool: Pool
    redis: Redis
    now_s: float


class Query(Struct, frozen=True):
    """Which websites to list; None: any value. ``sort`` None: in order of creation."""

    region: str | None = None
    status: Status | None = None
    paused: bool | None = None
    q: str | None = None
    sort: Sort | None = None


class RegionView(Struct, frozen=True):
    """The state of one region. ``fresh``: whether its verdict still counts."""

    region: str
    state: RegionState
    fresh: bool


class View(Struct, frozen=True):
    """A website and its status; without regions if Redis is unavailable."""

    stored: Stored
    status: Status
    regions: tuple[RegionView, ...] = ()

    @property
    def last_slots(self) -> dict[str, int]:
        """The slot of the last check in each region, in Unix seconds; 0: never checked."""
        return {r.region: r.state.slot_s for r in self.regions}


class Page(Struct, frozen=True):
    """A page of a list, and the cursor after it; None at the end.

    ``figures``: if they were asked for. ``figures_at_s``: the end of the last hour whose roll-up is
    in what the list is sorted by or shows; None before the first.
    """

    views: list[View]
    next_cursor: str | None = None
    figures: ListFigures | None = None
    figures_at_s: int | None = None


async def show(sources: Sources, stored: Stored) -> View:
    """One website with its status."""
    return (await _views(sources, [stored], need_states=False))[0]


async def page(
    sources: Sources,
    query: Query,
    limit: int,
    cursor: str | None,
    *,
    need_states: bool,
    include: Include | None = None,
) -> Page:
    """The next page of matching websites, and the cursor after it.

    A page may hold fewer than ``limit`` and still have a cursor: at most 10,000 websites are
    examined per page. Without Redis statuses are unknown, but if ``need_states`` or a filter by
    status requires them, Unavailable is raised. Raises BadQuery.
    """
    views, next_cursor = await _scan(sources, query, limit, cursor, need_states=need_states)
    if include is Include.UPTIME:
        rows = [(view.stored.website, view.last_slots) for view in views]
        shown = await figures.of_page(sources.pool, rows, int(sources.now_s))
        return Page(views, next_cursor, shown, shown.as_of_s)
    if query.sort not in BY_FIGURES:
        return Page(views, next_cursor)
    async with session(sources.pool) as connection:
        return Page(views, next_cursor, figures_at_s=await stored_figures.as_of(connection))


async def _scan(
    sources: Sources, query: Query, limit: int, cursor: str | None, *, need_states: bool
) -> tuple[list[View], str | None]:
    mark = cursors.fingerprint("websites", *(getattr(query, n) for n in Query.__struct_fields__))
    after = None
    if cursor is not None:
        after = website_order.decode(query.sort, cursors.decode(cursor, mark))
    filters = _filter(query)
    computed = query.status not in (None, Status.PAUSED)
    await _check(sources.pool, query)
    if filters is None:
        return [], None
    scan = _Scan(sources, query, filters, need_states=need_states or computed)
    views, last = await scan.run(limit, after)
    if last is None:
        return views, None
    return views, cursors.encode(website_order.encode(query.sort, last), mark)


async def _check(pool: Pool, query: Query) -> None:
    if query.q is not None and not query.q.isprintable():
        raise BadQuery.of("q", "must not contain control characters")
    if query.region is not None:
        async with session(pool) as connection:
            await regions.must_exist(connection, query.region)


def _filter(query: Query) -> Filter | None:
    """The part of a query that Postgres can filter by; None if nothing can match."""
    if query.status is None:
        return Filter(query.region, query.paused, None, query.q)
    paused = query.status is Status.PAUSED
    if query.paused not in (None, paused):
        return None
    incident_open = True if query.status is Status.DOWN else None
    return Filter(query.region, paused, incident_open, query.q)


@dataclass(slots=True)
class _Scan:
    """Reads websites in the order of the list and keeps those whose status matches."""

    sources: Sources
    query: Query
    filters: Filter
    need_states: bool

    async def run(self, limit: int, after: Position | None) -> tuple[list[View], Position | None]:
        """Up to ``limit`` matches, and the position to continue after; None at the end."""
        size = limit + 1 if self.query.status in (None, Status.PAUSED) else _CANDIDATES
        views: list[View] = []
        for _ in range(max(MAX_SCANNED // size, 1)):
            # Release the connection before reading Redis: if that hangs, the pool must not run out.
            async with session(self.sources.pool) as connection:
                rows = await websites.fetch_page(
                    connection, self.filters, self.query.sort, after, size
                )
            for view in await _views(self.sources, rows, need_states=self.need_states):
                if len(views) == limit:
                    return views, after
                after = view.stored.position
                if self.query.status in (None, view.status):
                    views.append(view)
            if len(rows) < size:
                return views, None
        return views, after


async def _views(sources: Sources, rows: Sequence[Stored], *, need_states: bool) -> list[View]:
    ids: dict[str, list[UUID]] = {}
    for row in rows:
        for region in row.regions:
            ids.setdefault(region, []).append(row.website.id)
    try:
        states = await States(sources.redis).read(ids)
    except Unavailable as error:
        if need_states:
            raise
        log.warning("statuses.unavailable", error=str(error))
        return [_unknown(row) for row in rows]
    return [_view(row, states, sources.now_s) for row in rows]


def _unknown(row: Stored) -> View:
    return View(row, Status.UNKNOWN if row.website.paused_at is None else Status.PAUSED)


def _view(row: Stored, states: dict[tuple[str, UUID], RegionState], now_s: float) -> View:
    views = [
        _region_view(row, name, states.get((name, row.website.id), _NEVER), now_s)
        for name in row.regions
    ]
    status = website_status(
        paused=row.website.paused_at is not None,
        incident_open=row.incident_started_at is not None,
        states=[r.state for r in views],
        fresh=[r.state for r in views if r.fresh],
    )
    return View(row, status, tuple(views))


def _region_view(row: Stored, name: str, state: RegionState, now_s: float) -> RegionView:
    check = row.website.check
    recent = is_fresh(state.slot_s, check.check_frequency, check.request_timeout, now_s)
    return RegionView(name, state, recent and state.verdict is not Verdict.UNKNOWN)


def since(view: View) -> dt.datetime | None:
    """When the current status of a website began; None if unknown.

    Down: when the incident began. Paused: when it was paused. Up: when the last incident ended, or
    when the first of the regions that are up now came up, whichever is later.
    """
    match view.status:
        case Status.DOWN:
            return view.stored.incident_started_at
        case Status.PAUSED:
            return view.stored.website.paused_at
        case Status.UP:
            up = (r for r in view.regions if r.fresh and r.state.verdict is Verdict.UP)
            up_at = dt.datetime.fromtimestamp(min(r.state.since_s for r in up), dt.UTC)
            return max(up_at, view.stored.last_resolved_at or up_at)
        case _:
            return None
