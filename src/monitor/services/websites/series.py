"""The time series of one website, in buckets for a chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from uuid import UUID

from msgspec import Struct

from monitor.domain.availability import Interval
from monitor.domain.errors import BadQuery, FieldProblem
from monitor.domain.ids import ring_position
from monitor.domain.report import Gathered, without_verdict
from monitor.domain.rollup import Rollup, buckets
from monitor.domain.schedule import Schedule, Span, settled_s
from monitor.domain.series import DAY_S, HOUR_S, MAX_DAYS, Bucket, Plan, Uptime, plan, uptime
from monitor.domain.windows import Window
from monitor.resources import report_window
from monitor.resources.report_window import WindowQuery
from monitor.resources.website import Website
from monitor.runtime import tasks
from monitor.services.reports.gather import Gathering, Sources
from monitor.services.websites import manage as websites
from monitor.services.workers import regions
from monitor.storage.postgres.pool import session
from monitor.storage.timeseries.contract import TickStore


class RegionSeries(Struct, frozen=True):
    """The results of one region in chronological order. Buckets without checks are absent.

    ``gaps``: when the region had no verdict that counted.
    """

    region: str
    uptime: Uptime
    buckets: tuple[Bucket, ...]
    gaps: tuple[Interval, ...]


class Series(Struct, frozen=True):
    """The chart of a website over the span of ``plan``. ``days``: None for a window."""

    website: Website
    days: int | None
    plan: Plan
    regions: tuple[RegionSeries, ...]


class Shown(Struct, frozen=True):
    """What a chart is to show: the last days, or a window; neither: the last day."""

    days: int | None = None
    asked: WindowQuery = WindowQuery()

    @property
    def last_days(self) -> int | None:
        """How many days back from now; None for a window."""
        return (self.days or 1) if self.asked == WindowQuery() else None

    def window(self, sources: Sources) -> Window:
        """Raises BadQuery naming the parameters that are wrong."""
        if (days := self.last_days) is not None:
            until_s = sources.now_s + 1  # this second is the last one
            return Window(until_s - days * DAY_S, until_s)
        if self.days is not None:
            raise BadQuery([FieldProblem("days", "must be left out where `from` or `to` is sent")])
        kept_days = sources.kept.daily
        window = report_window.window(self.asked, sources.now_s, kept_days, default_days=1)
        if window.length_s > MAX_DAYS * DAY_S:
            message = f"must be at most {MAX_DAYS} days before `to`"
            raise BadQuery([FieldProblem("from", message)])
        return window


async def series(sources: Sources, website_id: UUID, shown: Shown, region: str | None) -> Series:
    """The chart of one region, or of all regions the website has or had.

    Raises NotFound, BadQuery for a window or a region that does not exist, Unavailable.
    """
    window = shown.window(sources)
    stored = await websites.get(sources.pool, website_id)
    if region is not None:
        async with session(sources.pool) as connection:
            await regions.must_exist(connection, region)
    check = stored.website.check
    spread = plan(window, sources.now_s, check.check_frequency, sources.kept.raw)
    settled = min(settled_s(sources.now_s, check.request_timeout), spread.until_s)
    # They read different files or few of them, so none waits for the other.
    rows, unsettled, gathered = await tasks.gather(
        _buckets(sources, website_id, region, spread),
        _raw(sources.ticks, website_id, region, Window(settled, spread.until_s), spread.width_s),
        _gathered(sources, stored.website, spread),
    )
    slots = _Slots(
        gathered.schedule,
        gathered.schedule.known(spread, stored.website.created_at.timestamp(), settled),
        spread.width_s,
        unsettled,
    )
    gaps = without_verdict(gathered, _past(spread, sources.now_s))
    names = stored.regions if region is None else (region,)
    own = [
        RegionSeries(
            name,
            uptime(part, *slots.counts(website_id, name, part)),
            tuple(part),
            tuple(gaps.get(name, ())),
        )
        for name, part in _by_region(names, rows)
    ]
    return Series(stored.website, shown.last_days, spread, tuple(own))


def _past(spread: Plan, now_s: int) -> Window:
    return Window(spread.since_s, max(min(spread.until_s, now_s), spread.since_s))


async def _gathered(sources: Sources, website: Website, spread: Plan) -> Gathered:
    gathering = await Gathering.begin(sources, _past(spread, sources.now_s))
    return (await gathering.gather([website]))[website.id]


async def _buckets(
    sources: Sources, website_id: UUID, region: str | None, spread: Plan
) -> Sequence[Bucket]:
    if spread.raw_from_s == spread.since_s:
        window = Window(spread.since_s, spread.until_s)
        return await _raw(sources.ticks, website_id, region, window, spread.width_s)
    ticks, ids = sources.ticks, [website_id]
    days, hours, latest = await tasks.gather(
        ticks.daily(ids, region, spread.since_s, spread.hourly_from_s),
        ticks.hourly(ids, region, spread.hourly_from_s, spread.raw_from_s),
        _latest(sources, website_id, spread),
    )
    recent = [r for r in latest if region in (None, r.region)]
    rollups = chain(days.get(website_id, ()), hours.get(website_id, ()), recent)
    return buckets(rollups, spread.width_s)


async def _latest(sources: Sources, website_id: UUID, spread: Plan) -> list[Rollup]:
    """The hours that may not be rolled up yet."""
    until_s = min(spread.until_s, sources.now_s + HOUR_S)
    starts = range(spread.raw_from_s, until_s, HOUR_S)
    hours = await tasks.gather(
        *(sources.ticks.totals([website_id], at, at + HOUR_S) for at in starts)
    )
    return [
        totals.rollup(start_s, None)
        for start_s, hour in zip(starts, hours, strict=True)
        for totals in hour.get(website_id, ())
    ]


async def _raw(
    ticks: TickStore, website_id: UUID, region: str | None, window: Window, width_s: int
) -> list[Bucket]:
    if window.since_s >= window.until_s:
        return []
    return await ticks.raw_buckets(website_id, region, window.since_s, window.until_s, width_s)


def _by_region(names: Iterable[str], buckets: Iterable[Bucket]) -> list[tuple[str, list[Bucket]]]:
    """The buckets of these and of all other regions that have any, by name."""
    by_region: dict[str, list[Bucket]] = {name: [] for name in names}
    for bucket in buckets:
        by_region.setdefault(bucket.region, []).append(bucket)
    return sorted(by_region.items())


class _Slots(Struct, frozen=True):
    """What is needed to count the slots of a chart. ``unsettled``: buckets after what is known."""

    schedule: Schedule
    known: Span | None
    width_s: int
    unsettled: Sequence[Bucket]

    def counts(self, website_id: UUID, region: str, buckets: Sequence[Bucket]) -> tuple[int, int]:
        """How many slots of this region have a check, and how many were due."""
        if self.known is None:
            return 0, 0
        filled = sum(b.in_turn for b in buckets if b.start_s + self.width_s > self.known.since_s)
        filled -= sum(b.in_turn for b in self.unsettled if b.region == region)
        # The two were read at once, so one that has just come may be in the latter alone.
        filled = max(filled, 0)
        return filled, self.schedule.due(ring_position(website_id), region, self.known)
