"""The checks of one website and region in an hour, summed up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import not_
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from monitor.domain.histogram import Histogram
from monitor.domain.ids import ring_position
from monitor.domain.rollup import Gap, Rollup, gaps_of
from monitor.domain.schedule import RegionSchedule, Schedule
from monitor.domain.series import HOUR_S

Key = tuple[str, str]
"""Website id and region."""

Sample = Sequence[Any]
"""One check: its second; up, 0 or 1; the response time in ms, or None; 1 if it was out of turn, or
None. As InfluxDB's rows are."""


class Totals(Struct):
    """Sums over checks. ``responses_ms`` and ``filled_s`` (those in turn) are in no order."""

    website_id: UUID
    region: str
    checks: int = 0
    up: int = 0
    out_of_turn: int = 0
    responses_ms: list[float] = field(default_factory=list)
    filled_s: list[int] = field(default_factory=list)

    def add(self, samples: Sequence[Sample]) -> None:
        """Add checks, at least one."""
        seconds, up, responses_ms, out_of_turn = zip(*samples, strict=True)
        self.checks += len(samples)
        self.up += sum(up)
        self.responses_ms += [ms for ms in responses_ms if ms is not None]
        if any(out_of_turn):
            seconds = tuple(compress(seconds, map(not_, out_of_turn)))
            self.out_of_turn += len(samples) - len(seconds)
        self.filled_s += seconds

    def rollup(self, start_s: int, schedule: Schedule | None, *, width_s: int = HOUR_S) -> Rollup:
        """The roll-up of what starts at ``start_s``, an hour. ``schedule``: None: not known."""
        expected: int | None = None
        gaps: tuple[Gap, ...] = ()
        if schedule is not None:
            due = RegionSchedule(schedule, ring_position(self.website_id), self.region)
            rows = list(due.rows(start_s, start_s + width_s))
            expected = sum(map(len, rows))
            gaps = gaps_of(due, rows, sorted(self.filled_s))
        return Rollup(
            region=self.region,
            start_s=start_s,
            checks=self.checks,
            up=self.up,
            out_of_turn=self.out_of_turn,
            expected=expected,
            measured=len(self.responses_ms),
            total_ms=sum(self.responses_ms),
            max_ms=max(self.responses_ms, default=None),
            histogram=Histogram.of(self.responses_ms),
            gaps=gaps,
        )


def by_website(totals: Iterable[Totals]) -> dict[UUID, list[Totals]]:
    """The totals of each website, in their order."""
    grouped: dict[UUID, list[Totals]] = {}
    for one in totals:
        grouped.setdefault(one.website_id, []).append(one)
    return grouped


def merged_by_website(histograms: Iterable[tuple[UUID, Histogram]]) -> dict[UUID, Histogram]:
    """The histograms of each website in one."""
    grouped: dict[UUID, list[Histogram]] = {}
    for website_id, histogram in histograms:
        grouped.setdefault(website_id, []).append(histogram)
    return {website_id: Histogram.merged(own) for website_id, own in grouped.items()}
