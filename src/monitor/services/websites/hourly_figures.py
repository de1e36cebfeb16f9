"""What is computed once an hour for lists: gaps, response times of a day, figures to sort by.

It goes beside the hourly roll-up where the store hands it over, and follows it for all others. It
reads the response times of the hour of 24 hours before, and no tick. Every website is looked at, so
a page of 500 costs one or two questions of the tick store, and whatever is the same as before is
not written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from monitor.domain.figures import MONTH_S, QUARTER_S, uptime
from monitor.domain.histogram import Histogram
from monitor.domain.ids import ring_position
from monitor.domain.latencies import Latencies
from monitor.domain.rollup import Gap, Rollup, gaps_of
from monitor.domain.schedule import RegionSchedule
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.windows import Window
from monitor.runtime.logging import get_logger
from monitor.services.websites.figures import history
from monitor.storage.postgres import changes, figures, gaps, schedules, website_histories
from monitor.storage.postgres.figures import Latency, Sliding
from monitor.storage.postgres.gaps import Counted
from monitor.storage.postgres.pool import Pool, session, transaction
from monitor.storage.timeseries.contract import Stored, TickStore, not_needed
from monitor.storage.timeseries.throttle import Throttle

log = get_logger(__name__)

_PAGE = 500
"""Websites; the ids of a page fit into the address of a question to any InfluxDB."""
_TROUBLED = 200
"""Websites whose uptime is computed at once."""

_PAUSE_AFTER = 10
"""Pages: about as much work as a part of a roll-up."""

_NOTHING = Window(0, 0)
_NO_RESPONSES = Histogram()
Rollups = Mapping[UUID, Sequence[Rollup]]


@dataclass(frozen=True, slots=True)
class HourlyFigures:
    """``throttle`` creates the one of each hour."""

    pool: Pool
    ticks: TickStore
    throttle: Callable[[], Throttle] = Throttle

    async def add(self, rolled_up_s: int) -> int:
        """Bring the figures up to the hour that starts then, and is rolled up; returns how many
        hours that were.

        One that was interrupted is repeated: each website has it once. Raises Unavailable.
        """
        async with session(self.pool) as connection:
            as_of_s = await figures.as_of(connection)
        # Of hours further back than a day nothing would be left in it.
        first_s = rolled_up_s if as_of_s is None else max(as_of_s, rolled_up_s - DAY_S)
        hours = range(first_s, rolled_up_s + HOUR_S, HOUR_S)
        for hour_s in hours:
            await self._add(hour_s)
        return len(hours)

    async def beside(self, hour_s: int) -> Stored:
        """Takes the roll-ups of this hour while they are made; ``add`` has the rest to do.

        Where the figures lag behind it takes none, as hours come one after the other.
        """
        async with session(self.pool) as connection:
            if await figures.as_of(connection) != hour_s:
                return not_needed
            regions = frozenset(await changes.region_names(connection))

        async def take(rollups: Rollups) -> None:
            ids = sorted(rollups)
            for start in range(0, len(ids), _PAGE):
                page = ids[start : start + _PAGE]
                async with session(self.pool) as connection:
                    rows = await figures.sliding_of(connection, page)
                # Without those of websites that were deleted meanwhile.
                own = {row.website_id: rollups[row.website_id] for row in rows}
                await self._store_page(hour_s, rows, regions, own)

        return take

    async def _add(self, hour_s: int) -> None:
        throttle, after, number = self.throttle(), None, 0
        async with session(self.pool) as connection:
            regions = frozenset(await changes.region_names(connection))
        while True:
            async with session(self.pool) as connection:
                rows = await figures.sliding(connection, hour_s + HOUR_S, after, _PAGE)
            if not rows:
                break
            await self._add_page(hour_s, rows, regions)
            after, number = rows[-1].website_id, number + 1
            if number % _PAUSE_AFTER == 0:
                await throttle.pause()
        until_s = hour_s + HOUR_S
        computed = await self._uptimes(until_s, idle=until_s % DAY_S == 0)
        async with transaction(self.pool) as connection:
            if until_s % DAY_S == 0:
                await gaps.expire(connection, until_s - QUARTER_S - DAY_S)
            await figures.note_as_of(connection, until_s)
        log.info("figures.computed", hour_s=hour_s, uptimes=computed)

    async def _add_page(
        self, hour_s: int, rows: Sequence[Sliding], regions: frozenset[str]
    ) -> None:
        ids = [row.website_id for row in rows]
        rollups = await self.ticks.hourly(ids, None, hour_s, hour_s + HOUR_S)
        await self._store_page(hour_s, rows, regions, rollups)

    async def _store_page(
        self, hour_s: int, rows: Sequence[Sliding], regions: frozenset[str], rollups: Rollups
    ) -> None:
        counted = [
            Counted(website_id, r.region, _NOTHING, _windows(r.gaps))
            for website_id, own in rollups.items()
            for r in own
            if r.gaps
        ]
        counted += await self._missing(hour_s, rows, rollups, regions)
        latencies = await self._latencies(hour_s, rows, rollups)
        measured = {r.website_id: 1.0 for r in rows if r.uptime is None and r.website_id in rollups}
        async with transaction(self.pool) as connection:
            await gaps.store(connection, counted)
            await figures.store(connection, latencies)
            await figures.store_uptimes(connection, measured)

    async def _missing(
        self, hour_s: int, rows: Sequence[Sliding], rollups: Rollups, regions: frozenset[str]
    ) -> list[Counted]:
        """The gaps of websites and regions without any check in this hour."""
        missing: dict[UUID, set[str]] = {}
        for row in rows:
            if row.created_s < hour_s + HOUR_S and (row.paused_s is None or row.paused_s > hour_s):
                names = regions if row.regions is None else set(row.regions)
                lost = names - {r.region for r in rollups.get(row.website_id, ())}
                if lost:
                    missing[row.website_id] = set(lost)
        if not missing:
            return []
        async with session(self.pool) as connection:
            due = await schedules.fetch(connection, list(missing), hour_s)
        return [
            Counted(website_id, region, _NOTHING, gap)
            for website_id, names in missing.items()
            if website_id in due
            for region in sorted(names)
            if (gap := _hour_of(RegionSchedule(due[website_id], ring_position(website_id), region),
                                hour_s))
        ]  # fmt: skip

    async def _latencies(
        self, hour_s: int, rows: Sequence[Sliding], rollups: Rollups
    ) -> list[Latency]:
        """The response times of 24 hours, with those of this hour and without those a day older."""
        leaving_s = hour_s - DAY_S
        aged = [r.website_id for r in rows if r.since_s is not None and r.since_s <= leaving_s]
        leaving = await self.ticks.histograms(aged, leaving_s, leaving_s + HOUR_S)
        latencies, wrong = list[Latency](), list[UUID]()
        for row in rows:
            new = _histogram(rollups.get(row.website_id, ()))
            try:
                latency = _slide(row, hour_s, new, leaving.get(row.website_id, _NO_RESPONSES))
            except ValueError:
                wrong.append(row.website_id)
            else:
                latencies += [] if latency is None else [latency]
        return latencies + await self._rebuilt(hour_s, wrong)

    async def _rebuilt(self, hour_s: int, ids: Sequence[UUID]) -> list[Latency]:
        """Those of websites that missed an hour, or whose ticks of the hour that leaves came late:
        summed up anew."""
        since_s, until_s = hour_s + HOUR_S - DAY_S, hour_s + HOUR_S
        rollups = await self.ticks.hourly(ids, None, since_s, until_s)
        return [
            _latency(i, since_s, until_s, Latencies.of(_histogram(rollups.get(i, ())))) for i in ids
        ]

    async def _uptimes(self, until_s: int, *, idle: bool) -> int:
        """Compute the uptime of every website that was down in the last 30 days; returns how many.

        Of all others it is 1, whatever was not measured, unless nothing was. ``idle``: also of
        those of which nothing was measured in the last day.
        """
        after, count, since_s = None, 0, until_s - MONTH_S
        while True:
            async with session(self.pool) as connection:
                ids = await figures.troubled(connection, since_s, after, _TROUBLED, idle=idle)
                if not ids:
                    return count
                begun = await figures.begun(connection, ids)
                past = await website_histories.read(connection, ids, since_s)
            uptimes = {}
            for website in begun:
                if (own := past.by_id.get(website.website_id)) is not None:
                    parts = history(website, own, {}, until_s).parts(since_s, until_s)
                    uptimes[website.website_id] = uptime(parts, since_s)
            async with transaction(self.pool) as connection:
                await figures.store_uptimes(connection, uptimes)
            after, count = ids[-1], count + len(ids)

    async def mend(self, hour_s: int) -> None:
        """Correct the gaps of an hour that was rolled up again, because ticks came late."""
        async with session(self.pool) as connection:
            ids = await gaps.within(connection, hour_s, hour_s + HOUR_S)
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            rollups = await self.ticks.hourly(page, None, hour_s, hour_s + HOUR_S)
            async with session(self.pool) as connection:
                due = await schedules.fetch(connection, page, hour_s)
            counted = [
                Counted(website_id, r.region, span, _windows(r.gaps))
                for website_id, own in rollups.items()
                if website_id in due
                for r in own
                if r.expected is not None
                and (span := _slots_of(RegionSchedule(due[website_id], ring_position(website_id),
                                                      r.region), hour_s))
            ]  # fmt: skip
            async with transaction(self.pool) as connection:
                await gaps.store(connection, counted)


def _windows(gaps_of_hour: Sequence[Gap]) -> list[Window]:
    return [Window(g.since_s, g.until_s) for g in gaps_of_hour]


def _hour_of(due: RegionSchedule, hour_s: int) -> list[Window]:
    """The gaps of an hour without any check."""
    return _windows(gaps_of(due, list(due.rows(hour_s, hour_s + HOUR_S)), ()))


def _slots_of(due: RegionSchedule, hour_s: int) -> Window | None:
    """From the first slot of an hour to the next after the last: where its gaps may be."""
    slots = due.slots(hour_s, hour_s + HOUR_S)
    return Window(slots[0][1], due.next_slot_s(slots[-1][1])) if slots else None


def _histogram(rollups: Sequence[Rollup]) -> Histogram:
    """That of all regions and hours; one that is not known any more has nothing."""
    known = [r.histogram for r in rollups if r.histogram is not None]
    return known[0] if len(known) == 1 else Histogram.merged(known)


def _slide(row: Sliding, hour_s: int, new: Histogram, leaving: Histogram) -> Latency | None:
    """What becomes of a website's 24 hours; None: nothing.

    Raises ValueError where they must be summed up anew.
    """
    until_s = hour_s + HOUR_S
    if row.since_s is None or row.until_s is None or row.histogram is None:
        latencies = Latencies.of(new)
        return _latency(row.website_id, hour_s, until_s, latencies) if new.encoded else None
    if row.until_s >= until_s:
        return None
    if row.until_s < hour_s:
        raise ValueError("an hour was missed")
    latencies = Latencies.decode(row.histogram)
    latencies.add(new)
    latencies.remove(leaving)
    return _latency(row.website_id, max(row.since_s, until_s - DAY_S), until_s, latencies)


def _latency(website_id: UUID, since_s: int, until_s: int, latencies: Latencies) -> Latency:
    return Latency(website_id, since_s, until_s, latencies.encode(), latencies.quantile(0.95))
