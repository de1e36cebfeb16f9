"""Reports: the figures of one website in a window, made from what is stored about it. Pure.

Times are Unix seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, structs

from monitor.domain import availability, freshness
from monitor.domain.availability import Incidents, Interval, Seconds, State
from monitor.domain.freshness import Change, Checked
from monitor.domain.histogram import Histogram, quantile_rank
from monitor.domain.rollup import Rollup
from monitor.domain.schedule import Schedule
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.windows import Window, difference, intersection

QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)


class Kept(Struct, frozen=True):
    """What is rolled up, and what is kept of it.

    ``hours_from_s``: from here on hours have histograms. ``hours_until_s``: up to here they are
    rolled up. ``days``: those that are.
    """

    hours_from_s: int
    hours_until_s: int
    days: Window


class Pieces(Struct, frozen=True):
    """From what a window is read: days, hours before and after them, and ticks at the end.

    Each begins where the one before it ends, and may be empty. They cover the window, and some
    time at its edges.
    """

    hours_before: Window
    days: Window
    hours: Window
    ticks: Window

    @property
    def window(self) -> Window:
        return Window(self.hours_before.since_s, self.ticks.until_s)


def pieces(window: Window, kept: Kept) -> Pieces:
    """As many whole days as there are, hours at the edges, and ticks of what is not rolled up.

    Where an edge is older than the histograms of hours, the whole day that it lies in is read.
    """
    if window.since_s < kept.hours_from_s:
        begin_s = first_day_s = _floor(window.since_s, DAY_S)
    else:
        begin_s, first_day_s = _floor(window.since_s, HOUR_S), _ceil(window.since_s, DAY_S)
    whole_days = _ceil if window.until_s < kept.hours_from_s else _floor
    end_s = max(window.until_s, begin_s)
    first_day_s = max(first_day_s, kept.days.since_s)
    days_end_s = min(whole_days(end_s, DAY_S), kept.days.until_s)
    if days_end_s <= first_day_s:
        first_day_s = days_end_s = begin_s
    hours_end_s = max(min(_ceil(end_s, HOUR_S), kept.hours_until_s), days_end_s)
    return Pieces(
        Window(begin_s, first_day_s),
        Window(first_day_s, days_end_s),
        Window(days_end_s, hours_end_s),
        Window(hours_end_s, max(end_s, hours_end_s)),
    )


def _floor(second: int, width_s: int) -> int:
    return second // width_s * width_s


def _ceil(second: int, width_s: int) -> int:
    return -(-second // width_s) * width_s


class Responses(Struct, frozen=True):
    """The checks of a span and their response times.

    ``exact_ms``: the quantiles of QUANTILES, from the checks themselves; None where they are to be
    told from the histogram, which is None where it was not kept.
    """

    span: Window
    checks: int = 0
    measured: int = 0
    total_ms: float = 0.0
    max_ms: float | None = None
    histogram: Histogram | None = Histogram()
    exact_ms: tuple[float | None, ...] | None = None

    @classmethod
    def of(cls, span: Window, rollups: Sequence[Rollup]) -> Responses:
        """Those of roll-ups, which are the whole of this span."""
        return cls.merged(
            span,
            [cls(span, r.checks, r.measured, r.total_ms, r.max_ms, r.histogram) for r in rollups],
        )

    @classmethod
    def exact(cls, span: Window, checks: int, values_ms: Sequence[float]) -> Responses:
        """Those of single checks; ``values_ms``: of the ones with a response, in any order."""
        values = sorted(values_ms)
        ranks = [quantile_rank(q, len(values)) for q in QUANTILES]
        return cls(
            span,
            checks,
            len(values),
            math.fsum(values),
            values[-1] if values else None,
            exact_ms=tuple(values[rank - 1] if rank else None for rank in ranks),
        )

    @classmethod
    def merged(cls, span: Window, parts: Sequence[Responses]) -> Responses:
        """All of these in one, as those of this span."""
        histograms = [p.histogram for p in parts if p.measured]
        known = [h for h in histograms if h is not None]
        return cls(
            span,
            sum(p.checks for p in parts),
            sum(p.measured for p in parts),
            math.fsum(p.total_ms for p in parts),
            max((p.max_ms for p in parts if p.max_ms is not None), default=None),
            Histogram.merged(known) if len(known) == len(histograms) else None,
        )

    @property
    def mean_ms(self) -> float | None:
        return self.total_ms / self.measured if self.measured else None

    def quantiles_ms(self) -> tuple[float | None, ...]:
        """Those of QUANTILES; None where there are no response times, or they were not kept."""
        if self.exact_ms is not None:
            return self.exact_ms
        if self.histogram is None:
            return (None,) * len(QUANTILES)
        return tuple(self.histogram.quantiles(QUANTILES))


class Figures(Struct, frozen=True):
    """The figures of a website, of one of its regions, or of several websites together."""

    seconds: Seconds
    incidents: Incidents
    responses: Responses


def total(figures: Sequence[Figures], span: Window) -> Figures:
    """The figures of several websites together: seconds are added up, no ratio is averaged."""
    return Figures(
        sum((f.seconds for f in figures), Seconds()),
        sum((f.incidents for f in figures), Incidents()),
        Responses.merged(span, [f.responses for f in figures]),
    )


class Report(Struct, frozen=True):
    """The figures of a website in a window, and those of each region that checked it then."""

    window: Window
    overall: Figures
    regions: Mapping[str, Figures]


class Gathered(Struct, frozen=True):
    """What is stored of a website about a window.

    ``rollups``: those of each region. ``missed``: the slots that each region missed, or may have
    missed, in the window and so long before it as verdicts last. ``changes``: of the verdicts of
    each region. ``incidents``: when each of them was open.
    """

    created_s: int
    website: Checked
    schedule: Schedule
    rollups: Mapping[str, Sequence[Rollup]]
    missed: Mapping[str, Sequence[Window]]
    changes: Mapping[str, Sequence[Change]]
    incidents: Sequence[Window]


def regions_of(schedule: Schedule, window: Window) -> list[str]:
    """The regions that checked the website in a window, by name."""
    names = {life.region for life in schedule.lifetimes}
    names |= {name for period in schedule.periods for name in period.regions or ()}
    return sorted(n for n in names if intersection(freshness.checked(schedule, n), [window]))


def report(gathered: Gathered, window: Window, read: Window) -> Report:
    """The report about a window. ``read``: the time that the roll-ups are about."""
    since_s = min(max(window.since_s, gathered.created_s), window.until_s)
    window = Window(since_s, window.until_s)
    regions = {name: _Region.of(name, gathered) for name in regions_of(gathered.schedule, window)}
    responses = {name: Responses.of(read, rows) for name, rows in gathered.rollups.items()}
    nothing = Responses.of(read, ())
    overall = _figures(
        window,
        excluded=freshness.paused(gathered.schedule),
        fresh=[w for region in regions.values() for w in region.fresh],
        open_in=gathered.incidents,
        responses=Responses.merged(read, list(responses.values())),
    )
    own = {n: r.figures(window, responses.get(n, nothing)) for n, r in regions.items()}
    return Report(window, overall, own)


def without_verdict(gathered: Gathered, window: Window) -> dict[str, list[Interval]]:
    """When each region had no verdict of the website that counted, and why: it was excluded, or not
    measured."""
    since_s = min(max(window.since_s, gathered.created_s), window.until_s)
    window = Window(since_s, window.until_s)
    names = regions_of(gathered.schedule, window)
    return {name: _Region.of(name, gathered).without_verdict(window) for name in names}


class _Region(Struct, frozen=True):
    """When a region's verdict of a website was of which class."""

    excluded: Sequence[Window]
    fresh: Sequence[Window]
    down: Sequence[Window]

    @classmethod
    def of(cls, name: str, gathered: Gathered) -> _Region:
        schedule = gathered.schedule
        checked = freshness.checked(schedule, name)
        missed = gathered.missed.get(name, ())
        return cls(
            difference(_known(schedule), checked),
            freshness.fresh(schedule, name, gathered.website, missed),
            freshness.down(gathered.changes.get(name, ()), checked),
        )

    def figures(self, window: Window, responses: Responses) -> Figures:
        return _figures(
            window,
            excluded=self.excluded,
            fresh=self.fresh,
            open_in=self.down,
            responses=responses,
        )

    def without_verdict(self, window: Window) -> list[Interval]:
        parts = availability.intervals(
            window, excluded=self.excluded, fresh=self.fresh, down=self.down
        )
        return [p for p in parts if p.state in (State.EXCLUDED, State.NOT_MEASURED)]


def _known(schedule: Schedule) -> list[Window]:
    """The time of which it is known how the website was checked."""
    periods = schedule.periods
    return [Window(math.floor(periods[0].since_s), freshness.FOREVER_S)] if periods else []


def _figures(
    window: Window,
    *,
    excluded: Iterable[Window],
    fresh: Iterable[Window],
    open_in: Sequence[Window],
    responses: Responses,
) -> Figures:
    parts: list[Interval] = availability.intervals(
        window, excluded=excluded, fresh=fresh, down=open_in
    )
    counted = availability.incidents(window, parts, open_in)
    return Figures(Seconds.of(parts), counted, responses)


def with_responses(figures: Figures, responses: Responses) -> Figures:
    """The same figures with other response times."""
    return structs.replace(figures, responses=responses)
