"""The contract of tick stores. All implementations pass tests/contract/test_tick_stores.py."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from monitor.domain.histogram import Histogram
from monitor.domain.outcome import Tick
from monitor.domain.rollup import Rollup
from monitor.domain.schedule import Schedule
from monitor.domain.series import Bucket
from monitor.storage.timeseries.totals import Totals

DAILY_DAYS = 1100
"""How long daily roll-ups are kept, where nothing else is set: three years."""

Schedules = Callable[[Sequence[UUID], int, int], Awaitable[Mapping[UUID, Schedule]]]
"""Returns the schedules of these websites in [since_s, until_s), where they are known."""


async def no_schedules(
    _website_ids: Sequence[UUID], _since_s: int, _until_s: int
) -> Mapping[UUID, Schedule]:
    """``Schedules`` where nothing is known of what was due."""
    return {}


Stored = Callable[[Mapping[UUID, Sequence[Rollup]]], Awaitable[None]]
"""Takes the roll-ups of some websites that have just been stored, those of all regions of each."""


async def not_needed(_rollups: Mapping[UUID, Sequence[Rollup]]) -> None:
    """``Stored`` where nobody needs them."""


class KeptDays(Struct, frozen=True):
    """Days that raw ticks, hourly roll-ups and daily ones are kept."""

    raw: int
    rollups: int
    daily: int


class ChecksQuery(Struct, frozen=True):
    """Which checks of a website to read: the newest ``limit`` of those in [since_s, until_s).

    ``up``: only those that found it so, or not. ``after``: the slot and the region of the last one
    on the page before.
    """

    website_id: UUID
    since_s: int
    until_s: int
    limit: int
    region: str | None = None
    up: bool | None = None
    after: tuple[int, str] | None = None


class TickStore(Protocol):
    """Raw ticks, keyed (website, region, slot), and their roll-ups by the hour and by the day.

    Every method raises ``domain.errors.Unavailable`` where the server cannot be reached or
    refuses for a temporary reason. Times are Unix seconds; spans are [since_s, until_s).
    Durations are stored to the microsecond or to seven digits, whichever is coarser.

    A tick that was once written as out of turn stays so, whatever is written after it. Where a
    check in turn has the same second, its slot counts as missed: none that was missed is hidden.

    The p95 of n measured checks in order is the one at rank 0.95 n, rounded half up.
    """

    async def prepare(self) -> None:
        """Create what the store needs (databases, partitions of the coming days). Idempotent.

        Raises Misconfigured where something is missing that only the operator can create.
        """

    async def write(self, ticks: Sequence[Tick]) -> None:
        """Store these ticks, thousands per request. A tick written twice is stored once.

        After Unavailable some may be stored; writing all of them again is safe. Ticks beyond
        retention may be dropped.
        """

    async def raw_buckets(
        self, website_id: UUID, region: str | None, since_s: int, until_s: int, width_s: int
    ) -> list[Bucket]:
        """Raw ticks summed in buckets aligned to multiples of ``width_s``; no empty ones.

        ``region`` None: every region, one series each. Sorted by region, then time.
        """

    async def totals(
        self, website_ids: Sequence[UUID], since_s: int, until_s: int
    ) -> dict[UUID, list[Totals]]:
        """The ticks of the span, summed up for each region that has any; by region.

        Websites without any are absent. For a few hours of many websites, or a few days of one.
        """

    async def hourly(
        self, website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int
    ) -> dict[UUID, list[Rollup]]:
        """The hours that start within the span and have a check, by region, then time.

        ``region`` None: every region. Websites without any are absent. The histograms of hours
        are kept as long as raw ticks.
        """

    async def histograms(
        self, website_ids: Sequence[UUID], since_s: int, until_s: int
    ) -> dict[UUID, Histogram]:
        """The response times of the hours that start within the span, of all regions in one.

        Websites without any are absent. They are kept as long as raw ticks.
        """

    async def daily(
        self, website_ids: Sequence[UUID], region: str | None, since_s: int, until_s: int
    ) -> dict[UUID, list[Rollup]]:
        """The days (UTC) that start within the span and have a check, likewise."""

    async def roll_up(
        self, hour_s: int, schedules: Schedules = no_schedules, stored: Stored = not_needed
    ) -> int:
        """Roll up the hour that starts at ``hour_s`` for every website; returns how many roll-ups.

        ``stored`` gets them where reading them again would cost more than keeping them until then;
        from other stores none.

        Another run overwrites them with the same or, after late ticks, more complete ones. A
        website without a check in that hour gets none.
        """

    async def roll_up_day(self, day_s: int, schedules: Schedules = no_schedules) -> int:
        """Sum up the hours of the day that starts at ``day_s``; returns how many roll-ups.

        Reads no ticks. Hours that were due and have no roll-up are gaps of the day. Another run
        overwrites them likewise.
        """

    async def last_rolled_up(self) -> int | None:
        """The start of the latest hour with a roll-up of any website.

        None where there is none, or none within the retention of raw ticks.
        """

    async def expire(self, now: dt.datetime) -> None:
        """Drop raw ticks and roll-ups beyond the retention set at construction."""

    async def ticks(self, website_id: UUID, since_s: int, until_s: int) -> list[Tick]:
        """The raw ticks of a website in all regions, by time. For support and tests."""

    async def checks(self, query: ChecksQuery) -> list[Tick]:
        """Raw ticks of one website, newest first; those of one second by region."""

    async def ping(self) -> str:
        """The server's name and version. Raises Unavailable where it does not answer."""

    async def check(self) -> list[str]:
        """Ask for everything that is needed of the server: what is kept can be read and written.

        Returns remarks on what is not as it should be but costs no tick: half sentences with what
        to do. Changes nothing. Raises Misconfigured where something is missing.
        """

    async def close(self) -> None:
        """Release all resources."""
