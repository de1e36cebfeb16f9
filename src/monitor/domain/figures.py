"""What lists show of the last day, month and quarter of a website. Pure.

Made from what is rare: gaps, incidents, changes of the schedule. No check and no roll-up is read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from msgspec import Struct

from monitor.domain import freshness
from monitor.domain.availability import Interval, Seconds, State, intervals
from monitor.domain.freshness import FOREVER_S, Checked
from monitor.domain.ring import MINUTE_S
from monitor.domain.schedule import Schedule, settled_s
from monitor.domain.series import DAY_S
from monitor.domain.strip import Cells, strip
from monitor.domain.windows import Window

MONTH_S = 30 * DAY_S
QUARTER_S = 90 * DAY_S
"""How far back lists show anything."""


class History(Struct, frozen=True):
    """What is known of a website. Times are Unix seconds.

    ``position``: on its rings. ``gaps``: by region, of hours that are rolled up, of which the last
    one ends at ``rolled_up_s``. ``incidents``: when they were open. ``last_s``: the slot of the
    last check, by region; without the region where nobody can tell, 0 where there was none.
    """

    position: int
    created_s: int
    request_timeout_s: int
    schedule: Schedule
    gaps: Mapping[str, Sequence[Window]]
    incidents: Sequence[Window]
    last_s: Mapping[str, int]
    rolled_up_s: int = 0

    def parts(self, since_s: int, now_s: int) -> list[Interval]:
        """Each second since then, or since its creation, in its class."""
        if self._is_untroubled(since_s, now_s):
            return [Interval(since_s, now_s, State.UP)]
        window = Window(max(since_s, self.created_s), max(now_s, self.created_s))
        checked = Checked(
            self.position, self.request_timeout_s, settled_s(now_s, self.request_timeout_s)
        )
        fresh = [w for region in self._regions() for w in self._fresh(region, checked)]
        return intervals(
            window,
            excluded=freshness.paused(self.schedule),
            fresh=fresh,
            down=self.incidents,
        )

    def _is_untroubled(self, since_s: int, now_s: int) -> bool:
        """Whether it was up all the time, as nearly all websites are: the rest need not be asked.

        It was checked in the same way from some intervals before, and within the last one.
        """
        if self.gaps or self.incidents or len(self.schedule.periods) != 1:
            return False
        period, lifetimes = self.schedule.periods[0], self.schedule.lifetimes
        every_s = period.check_frequency
        if every_s is None or period.until_s is not None:
            return False
        begun_s = since_s - every_s - MINUTE_S
        lasting = {r.region for r in lifetimes if r.since_s <= begun_s and r.until_s is None}
        names = lasting if period.regions is None else period.regions
        recent = (now_s - self.last_s.get(name, 0) <= every_s for name in names)
        return max(period.since_s, self.created_s) <= begun_s and any(recent)

    def _regions(self) -> set[str]:
        named = (p.regions for p in self.schedule.periods if p.regions is not None)
        regions = {region for names in named for region in names}
        if any(p.regions is None for p in self.schedule.periods):
            regions |= {life.region for life in self.schedule.lifetimes}
        return regions

    def _fresh(self, region: str, checked: Checked) -> list[Window]:
        missed = [*self.gaps.get(region, ()), *self._missing(region)]
        return freshness.fresh(self.schedule, region, checked, missed)

    def _missing(self, region: str) -> list[Window]:
        """What a region has not measured since its last check, as far as no gap tells yet."""
        if region not in self.last_s:
            return []
        # Every slot of a minute may have been filled by a check at any second of it.
        next_minute_s = (self.last_s[region] // MINUTE_S + 1) * MINUTE_S
        return [Window(max(next_minute_s, self.rolled_up_s), FOREVER_S)]


class Figures(Struct, frozen=True):
    """Uptimes are shares of the measured time; None where nothing was measured.

    ``strip_24h`` and ``strip_90d``: see ``strip``.
    """

    uptime_24h: float | None
    uptime_30d: float | None
    uptime_90d: float | None
    strip_24h: str
    strip_90d: str


def figures(history: History, now_s: int) -> Figures:
    """The figures of a website as of now."""
    parts = history.parts(now_s - QUARTER_S, now_s)
    return Figures(
        uptime_24h=uptime(parts, now_s - DAY_S),
        uptime_30d=uptime(parts, now_s - MONTH_S),
        uptime_90d=uptime(parts, now_s - QUARTER_S),
        strip_24h=strip(parts, Cells.of_day(now_s)),
        strip_90d=strip(parts, Cells.of_quarter(now_s)),
    )


def uptime(parts: Sequence[Interval], since_s: int) -> float | None:
    """The share of what was measured since then that was up; None where nothing was."""
    first = bisect_right(parts, since_s, key=lambda part: part.until_s)
    if first == len(parts):
        return None
    begun = Interval(max(parts[first].since_s, since_s), parts[first].until_s, parts[first].state)
    return Seconds.of([begun, *parts[first + 1 :]]).measured
