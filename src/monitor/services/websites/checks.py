"""Single checks of a website, newest first, and the slots that were due and not measured."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from msgspec import Struct

from monitor.domain.outcome import CheckResult, Tick
from monitor.domain.rollup import Gap, Rollup, united
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.windows import Window
from monitor.resources import cursors, report_window
from monitor.resources.report_window import WindowQuery
from monitor.resources.website import Website
from monitor.services.reports.gather import Gathering, Sources
from monitor.services.websites import manage
from monitor.services.workers import regions
from monitor.storage.postgres.pool import session
from monitor.storage.timeseries.contract import ChecksQuery

_FIRST_SPAN_S, _SPAN_S = DAY_S, 2 * DAY_S
"""How much is searched at once, from the newest checks back: nearly every page is in one day."""

_Key = tuple[int, str, bool]
"""The place of an item in the list, which is in ascending order of it: the slot, negative, as the
newest come first; the region; whether it is a gap."""

_PLACE = struct.Struct(">q?")


class RegionGap(Struct, frozen=True):
    """Slots of a region that were due and not measured: from the first one to the next one due."""

    region: str
    gap: Gap


Item = Tick | RegionGap


class Filter(Struct, frozen=True):
    """Which checks to list: of a time, of one region, with one result; None: all."""

    asked: WindowQuery = WindowQuery()
    region: str | None = None
    result: CheckResult | None = None


async def page(
    sources: Sources, website_id: UUID, filter_: Filter, limit: int, cursor: str | None
) -> tuple[list[Item], str | None]:
    """The next checks and gaps, and the cursor of those after them.

    A gap stands where its first slot does, and is whole wherever a page ends. Raises BadQuery,
    NotFound and Unavailable.
    """
    window = _window(sources, filter_.asked)
    mark = cursors.fingerprint("checks", website_id, filter_)
    after = None if cursor is None else _key(cursors.decode(cursor, mark))
    website = (await manage.get(sources.pool, website_id)).website
    if filter_.region is not None:
        async with session(sources.pool) as connection:
            await regions.must_exist(connection, filter_.region)
    items = await _Reader(sources, website, filter_, window).items(after, limit + 1)
    if len(items) <= limit:
        return items, None
    return items[:limit], cursors.encode(_packed(_key_of(items[limit - 1])), mark)


def _window(sources: Sources, asked: WindowQuery) -> Window:
    """As far back as ticks are kept, and up to this second, unless the query says otherwise."""
    days, until_s = sources.kept.raw, sources.now_s + 1
    return report_window.window(asked, until_s, days, default_days=days)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the checks and gaps of a website in a window."""

    sources: Sources
    website: Website
    filter: Filter
    window: Window

    async def items(self, after: _Key | None, size: int) -> list[Item]:
        """The first ``size`` items after this place."""
        ticks = await self._ticks(after, size)
        if self.filter.result in (CheckResult.UP, CheckResult.DOWN):
            return list(ticks)
        since_s = ticks[-1].slot_s if len(ticks) == size else self.window.since_s
        gaps = await self._gaps(since_s)
        rows: list[Item] = [*ticks, *(g for g in gaps if after is None or _key_of(g) > after)]
        return sorted(rows, key=_key_of)[:size]

    async def _ticks(self, after: _Key | None, size: int) -> list[Tick]:
        if self.filter.result is CheckResult.NOT_MEASURED:
            return []
        last = None if after is None else (-after[0], after[1])
        until_s = self.window.until_s if last is None else min(last[0] + 1, self.window.until_s)
        up = None if self.filter.result is None else self.filter.result is CheckResult.UP
        ticks: list[Tick] = []
        for span in _spans(Window(self.window.since_s, until_s)):
            room = size - len(ticks)
            query = ChecksQuery(
                self.website.id, span.since_s, span.until_s, room, self.filter.region, up, last
            )
            ticks += await self.sources.ticks.checks(query)
            if len(ticks) == size:
                break
        return ticks

    async def _gaps(self, since_s: int) -> list[RegionGap]:
        """The gaps that begin at ``since_s`` or later.

        The first of a window are those that it begins in.
        """
        window = Window(max(since_s, self.window.since_s), self.window.until_s)
        if since_s > self.window.since_s:
            # What a gap begins with is only seen where the slot before it is.
            earlier_s = self.website.check.check_frequency + HOUR_S
            window = Window(max(since_s - earlier_s, self.window.since_s), window.until_s)
        gathering = await Gathering.begin(self.sources, window)
        gathered = (await gathering.gather([self.website]))[self.website.id]
        names = [self.filter.region] if self.filter.region else list(gathered.rollups)
        return [
            RegionGap(name, gap)
            for name in names
            for gap in _cut(gathered.rollups.get(name, ()), self.window)
            if gap.since_s >= since_s
        ]


def _cut(rollups: Sequence[Rollup], window: Window) -> Iterator[Gap]:
    """The gaps of a region, as far as they are in the window."""
    for gap in united(g for r in rollups for g in r.gaps):
        since_s, until_s = max(gap.since_s, window.since_s), min(gap.until_s, window.until_s)
        if since_s < until_s:
            yield Gap(since_s, until_s)


def _spans(window: Window) -> Iterator[Window]:
    """The window in pieces, the newest first."""
    until_s, length_s = window.until_s, _FIRST_SPAN_S
    while until_s > window.since_s:
        since_s = max(until_s - length_s, window.since_s)
        yield Window(since_s, until_s)
        until_s, length_s = since_s, _SPAN_S


def _key_of(item: Item) -> _Key:
    if isinstance(item, Tick):
        return -item.slot_s, item.region, False
    return -item.gap.since_s, item.region, True


def _packed(key: _Key) -> bytes:
    slot, region, is_gap = key
    return _PLACE.pack(slot, is_gap) + region.encode()


def _key(raw: bytes) -> _Key:
    try:
        slot, is_gap = _PLACE.unpack_from(raw)
        return slot, raw[_PLACE.size :].decode("ascii"), is_gap
    except (struct.error, UnicodeDecodeError):
        raise cursors.not_a_cursor() from None
