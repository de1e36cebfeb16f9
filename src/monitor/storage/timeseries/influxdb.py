"""Ticks in InfluxDB 1.x, 2.x (2.5 on) or 3 Core.

| database or bucket | measurement | tags | fields |
|---|---|---|---|
| BUCKET | website_ticks | website_id, region | up 0 or 1, status_code, response_ms with a response, reason when down, dns_ms, connect_ms, tls_ms and wait_ms where they happened, dns_shared 1 where another check of the slot looked the name up, transfer_ms where it is not the rest of response_ms, out_of_turn 1 where it fills no slot, address when down, began_ms (Unix) where it began late |
| BUCKET | website_ticks_histograms | website_id, region | histogram of an hour: base64 of domain/histogram.py |
| BUCKET_hourly | website_ticks_hourly | website_id, region | checks, up, measured, mean_ms, max_ms, out_of_turn unless 0, expected where it is known, gaps (base64 of their checks and of domain/rollup.py) where there are any |
| BUCKET_daily | website_ticks_daily | website_id, region | checks, up, measured, total_ms, max_ms, out_of_turn unless 0, expected, gaps and histogram likewise |

One for each, because retention is set per database. All are made by us, where the token may
(influxdb_buckets.py), and 3 Core is asked in pieces (influxdb_points.py).

The points of all days lie at 00:00 UTC, in one block of ten minutes a day: 3 Core answers from
a few hundred blocks at most.

Every field costs the server as much as any other, so fields that can be derived are not
written (docs/adr/0019-influxdb-stores-fewer-fields-in-bounded-memory.md).

A point that is written again replaces only the fields it has. So a slot with a response in its
first run and none in a second keeps the response time and the phases of the first.
"""  # noqa: E501 - a table

from __future__ import annotations

import datetime as dt
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TypeVar
from uuid import UUID

from msgspec import structs

from monitor.domain.histogram import Histogram
from monitor.domain.outcome import Tick
from monitor.domain.rollup import Rollup, day_of_hours
from monitor.domain.schedule import Schedule
from monitor.domain.series import DAY_S, HOUR_S, Bucket
from monitor.runtime import tasks
from monitor.storage.timeseries import file_limit, influxql, line_protocol
from monitor.storage.timeseries import influxdb_buckets as buckets
from monitor.storage.timeseries.contract import (
    DAILY_DAYS,
    ChecksQuery,
    Schedules,
    Stored,
    no_schedules,
    not_needed,
)
from monitor.storage.timeseries.file_limit import Span
from monitor.storage.timeseries.influxdb_http import InfluxHttp
from monitor.storage.timeseries.influxdb_points import Dropped, Points
from monitor.storage.timeseries.throttle import Throttle
from monitor.storage.timeseries.totals import Key, Totals, by_website, merged_by_website

LINES_PER_WRITE = 5000
_PARTS = "0123456789abcdef"
"""A roll-up reads one sixteenth of the websites at a time, by the last digit of their id: InfluxDB
1.x holds some kB for every series of a query until it has answered."""
_RECENT_DAYS = 2
"""The latest roll-up is searched here first, which opens few of the server's files."""

T = TypeVar("T")


class InfluxTicks:
    """A ``contract.TickStore`` on an InfluxDB server."""

    def __init__(
        self,
        http: InfluxHttp,
        bucket: str,
        *,
        raw_days: int,
        rollup_days: int,
        daily_days: int = DAILY_DAYS,
        throttle: Callable[[], Throttle] = Throttle,
        dropped: Dropped | None = None,
    ) -> None:
        """``throttle``: creates the throttle of a roll-up. ``dropped`` counts lost points."""
        self._http = http
        self._throttle = throttle
        self._raw = buckets.Bucket(
            bucket, "ticks", raw_days, "MONITOR_RAW_DAYS", file_limit.BLOCK_S, shard_days=1
        )
        self._hourly = buckets.Bucket(
            f"{bucket}_hourly", "hourly roll-ups", rollup_days, "MONITOR_ROLLUP_DAYS", HOUR_S,
            shard_days=7,
        )  # fmt: skip
        self._daily = buckets.Bucket(
            f"{bucket}_daily", "daily roll-ups", daily_days, "MONITOR_DAILY_DAYS", DAY_S,
            shard_days=30, needed=False,
        )  # fmt: skip
        self._points = Points(http, [self._raw, self._hourly, self._daily], dropped)

    async def prepare(self) -> None:
        await self._points.prepare()

    async def check(self) -> list[str]:
        return await self._points.check()

    async def write(self, ticks: Sequence[Tick]) -> None:
        lines = line_protocol.encode_ticks(ticks)
        for chunk in _chunks(lines, LINES_PER_WRITE):
            await self._points.store(self._raw, chunk)

    async def raw_buckets(
        self, website_id: UUID, region: str | None, since_s: int, until_s: int, width_s: int
    ) -> list[Bucket]:
        def question(span: Span) -> str:
            return influxql.select_buckets(website_id, region, *span, width_s)

        span = (since_s, until_s)
        return _sorted(await self._points.ask(self._raw, question, span, align_s=width_s))

    async def ticks(self, website_id: UUID, since_s: int, until_s: int) -> list[Tick]:
        def question(span: Span) -> str:
            return influxql.select_ticks(website_id, *span)

        rows = await self._points.ask(self._raw, question, (since_s, until_s))
        ticks = (influxql.tick_of(website_id, row) for row in rows)
        return sorted(ticks, key=lambda t: (t.slot_s, t.region))

    async def checks(self, query: ChecksQuery) -> list[Tick]:
        def question(span: Span) -> str:
            since_s, until_s = span
            return influxql.select_checks(structs.replace(query, since_s=since_s, until_s=until_s))

        rows = await self._points.ask(self._raw, question, (query.since_s, query.until_s))
        ticks = (influxql.tick_of(query.website_id, row) for row in rows)
        newest_first = sorted((-t.slot_s, t.region, t) for t in ticks)
        after = (-query.after[0], query.after[1]) if query.after else (-query.until_s, "")
        return [t for *key, t in newest_first if tuple(key) > after][: query.limit]

    async def totals(
        self, website_ids: Sequence[UUID], since_s: int, until_s: int
    ) -> dict[UUID, list[Totals]]:
        if not website_ids:
            return {}

        def question(span: Span) -> str:
            return influxql.select_samples(website_ids, *span)

        rows = await self._points.ask(self._raw, question, (since_s, until_s))
        return by_website(influxql.totals_of(rows))

    async def hourly(
        self, website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int
    ) -> dict[UUID, list[Rollup]]:
        if not website_ids:
            return {}
        span = (since_s, until_s)
        # They are in different databases, so neither waits for the other.
        hours, histograms = await tasks.gather(
            self._points.ask(
                self._hourly, lambda s: influxql.select_hours(website_ids, region, *s), span
            ),
            self._points.ask(
                self._raw, lambda s: influxql.select_histograms(website_ids, region, *s), span,
                spacing_s=HOUR_S,
            ),
        )  # fmt: skip
        return _by_website(influxql.with_histograms(hours, histograms))

    async def histograms(
        self, website_ids: Sequence[UUID], since_s: int, until_s: int
    ) -> dict[UUID, Histogram]:
        if not website_ids:
            return {}

        def question(span: Span) -> str:
            return influxql.select_histograms(website_ids, None, *span)

        rows = await self._points.ask(self._raw, question, (since_s, until_s), spacing_s=HOUR_S)
        return merged_by_website((UUID(r["website_id"]), influxql.histogram_of(r)) for r in rows)

    async def daily(
        self, website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int
    ) -> dict[UUID, list[Rollup]]:
        if not website_ids:
            return {}

        def question(span: Span) -> str:
            return influxql.select_days(website_ids, region, *span)

        days = await self._points.ask(self._daily, question, (since_s, until_s))
        return _by_website((r, r.get("histogram")) for r in days)

    async def roll_up(
        self, hour_s: int, schedules: Schedules = no_schedules, stored: Stored = not_needed
    ) -> int:
        return await self._points.prepared(
            self._raw, lambda: self._roll_up(hour_s, schedules, stored)
        )

    async def _roll_up(self, hour_s: int, schedules: Schedules, stored: Stored) -> int:
        count, throttle = 0, self._throttle()
        for ending in _PARTS:
            # A website's regions may be far apart, so they are complete at the end of a part.
            rollups: dict[UUID, list[Rollup]] = {}
            async for totals in _pages(self._totals(hour_s, ending)):
                ids = list(dict.fromkeys(t.website_id for t in totals))
                due = await schedules(ids, hour_s, hour_s + HOUR_S)
                hours = await self.store_hours(totals, hour_s, due)
                if stored is not not_needed:
                    for website_id, rollup in hours:
                        rollups.setdefault(website_id, []).append(rollup)
                count += len(totals)
                if len(totals) == LINES_PER_WRITE:
                    # InfluxDB pauses too, as nobody reads its response.
                    await throttle.pause()
            for websites in _chunks(list(rollups), LINES_PER_WRITE):
                await stored({website_id: rollups[website_id] for website_id in websites})
                if len(websites) == LINES_PER_WRITE:
                    await throttle.pause()
        return count

    async def store_hours(
        self, totals: Sequence[Totals], hour_s: int, schedules: Mapping[UUID, Schedule]
    ) -> list[tuple[UUID, Rollup]]:
        """Store what these add up to in the hour that starts at ``hour_s``, and return it."""
        hours = [(t.website_id, t.rollup(hour_s, schedules.get(t.website_id))) for t in totals]
        histograms = [line_protocol.encode_histogram(website_id, r) for website_id, r in hours]
        if lines := [line for line in histograms if line is not None]:
            await self._points.store(self._raw, lines)
        lines = [line_protocol.encode_hour(website_id, r) for website_id, r in hours]
        await self._points.store(self._hourly, lines)
        return hours

    async def _totals(self, hour_s: int, ending: str) -> AsyncIterator[Totals]:
        """The sums of these websites; InfluxDB returns one website and region after the other."""
        query = influxql.select_hour(hour_s, ending)
        current, totals = None, None
        async for series in self._points.stream(self._raw, query, LINES_PER_WRITE):
            for key, checks in influxql.checks_of(series):
                if totals is None or current != key:
                    if totals is not None:
                        yield totals
                    current, totals = key, Totals(UUID(key[0]), key[1])
                totals.add(checks)
        if totals is not None:
            yield totals

    async def roll_up_day(self, day_s: int, schedules: Schedules = no_schedules) -> int:
        return await self._points.prepared(
            self._hourly, lambda: self._roll_up_day(day_s, schedules)
        )

    async def _roll_up_day(self, day_s: int, schedules: Schedules) -> int:
        stored, throttle = 0, self._throttle()
        for ending in _PARTS:
            histograms = await self._histograms_of_day(day_s, ending)
            hours = self._grouped(self._hourly, influxql.select_hours_of_day(day_s, ending))
            async for page in _pages(hours):
                ids = list({UUID(website_id) for (website_id, _), _ in page})
                due = await schedules(ids, day_s, day_s + DAY_S)
                lines = [
                    _encode_day(key, day_s, rows, due.get(UUID(key[0])), histograms.get(key))
                    for key, rows in page
                ]
                await self._points.store(self._daily, lines)
                stored += len(lines)
                if len(lines) == LINES_PER_WRITE:
                    await throttle.pause()
        return stored

    async def _histograms_of_day(self, day_s: int, ending: str) -> dict[Key, bytes]:
        """Of each of these websites and regions the histograms of its hours, in one, encoded."""
        query = influxql.select_histograms_of_day(day_s, ending)
        return {
            key: Histogram.merged(map(influxql.histogram_of, rows)).encode()
            async for key, rows in self._grouped(self._raw, query)
        }

    async def _grouped(
        self, bucket: buckets.Bucket, query: str
    ) -> AsyncIterator[tuple[Key, list[influxql.Row]]]:
        """The rows of a query, one website and region after the other."""
        current, group = None, list[influxql.Row]()
        async for series in self._points.stream(bucket, query, LINES_PER_WRITE):
            for row in influxql.rows(series):
                if (key := influxql.key_of(row)) != current:
                    if current is not None:
                        yield current, group
                    current, group = key, []
                group.append(row)
        if current is not None:
            yield current, group

    async def last_rolled_up(self) -> int | None:
        for days, until_days in self._searched():
            queries = [influxql.select_last_rollup(days, e, until_days) for e in _PARTS]
            hours: list[int] = [
                r["time"] for q in queries for r in await self._points.rows(self._hourly, q)
            ]
            if hours:
                return max(hours)
        return None

    def _searched(self) -> Iterator[tuple[int, int]]:
        """The days that are searched for the latest roll-up: [days ago, days ago)."""
        days, at_once = 0, file_limit.BLOCKS_AT_ONCE // 24
        while days < self._raw.days:
            until, days = days, min(days + (at_once if days else _RECENT_DAYS), self._raw.days)
            yield days, until

    async def expire(self, now: dt.datetime) -> None:
        """Nothing to do: InfluxDB drops points beyond its retention itself."""

    async def ping(self) -> str:
        return f"InfluxDB {await self._http.version()}"

    async def close(self) -> None:
        await self._http.close()


async def _pages(items: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """``LINES_PER_WRITE`` of these at a time, and what is left at the end."""
    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == LINES_PER_WRITE:
            yield page
            page = []
    if page:
        yield page


def _encode_day(
    key: Key,
    day_s: int,
    rows: Sequence[influxql.Row],
    schedule: Schedule | None,
    encoded: bytes | None,
) -> bytes:
    """The line of a day from the rows of its hours and their histograms in one.

    It is left out where it is not of all response times: of some hours it was not kept.
    """
    website_id = UUID(key[0])
    hours = sorted((influxql.rollup_of(r, None) for r in rows), key=lambda r: r.start_s)
    day = day_of_hours(hours, day_s, website_id, schedule)
    histogram = Histogram.decode(encoded or b"")
    if histogram.count == day.measured:
        day = structs.replace(day, histogram=histogram)
    return line_protocol.encode_day(website_id, day)


def _by_website(
    rows: Iterable[tuple[influxql.Row, str | None]],
) -> dict[UUID, list[Rollup]]:
    """The roll-ups in these rows, by region, then time."""
    rollups: dict[UUID, list[Rollup]] = {}
    for row, histogram in rows:
        own = rollups.setdefault(UUID(row["website_id"]), [])
        own.append(influxql.rollup_of(row, histogram))
    return {
        website_id: sorted(own, key=lambda r: (r.region, r.start_s))
        for website_id, own in rollups.items()
    }


def _chunks(items: list[T], size: int) -> Iterator[list[T]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _sorted(rows: list[influxql.Row]) -> list[Bucket]:
    buckets = (influxql.bucket_of(row) for row in rows)
    return sorted((b for b in buckets if b.checks), key=lambda b: (b.region, b.start_s))
