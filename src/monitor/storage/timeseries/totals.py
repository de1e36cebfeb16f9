"""The checks of one website and region in an hour, summed up. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from msgspec import Struct, field

from monitor.domain.histogram import Histogram, quantile_rank
from monitor.domain.ids import ring_position
from monitor.domain.rollup import Gap, Rollup, gaps_of
from monitor.domain.schedule import RegionSchedule, Schedule
from monitor.domain.series import HOUR_S

Key = tuple[str, str]
"""Website id and region."""

Sample = tuple[int, int, float | None, int | None]
"""One check: its second; up, 0 or 1; the response time in ms; 1 if it was out of turn."""


class Totals(Struct):
    """Sums over checks. ``responses_ms`` and ``filled_s`` (those in turn) are in no order."""

    website_id: UUID
    region: str
    checks: int = 0
    up: int = 0
    out_of_turn: int = 0
    responses_ms: list[float] = field(default_factory=list)
    filled_s: list[int] = field(default_factory=list)

    def add(self, samples: Iterable[Sample]) -> None:
        for slot_s, up, ms, out_of_turn in samples:
            self.checks += 1
            self.up += up
            if ms is not None:
                self.responses_ms.append(ms)
            if out_of_turn:
                self.out_of_turn += 1
            else:
                self.filled_s.append(slot_s)

    @property
    def p95_ms(self) -> float | None:
        ordered = sorted(self.responses_ms)
        return ordered[quantile_rank(0.95, len(ordered)) - 1] if ordered else None

    def rollup(self, start_s: int, schedule: Schedule | None, *, width_s: int = HOUR_S) -> Rollup:
        """The roll-up of what starts at ``start_s``, an hour. ``schedule``: None: not known."""
        expected: int | None = None
        gaps: tuple[Gap, ...] = ()
        if schedule is not None:
            due, until_s = self._due(schedule), start_s + width_s
            expected = len(due.slots(start_s, until_s))
            gaps = gaps_of(due, sorted(self.filled_s), start_s, until_s)
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

    def _due(self, schedule: Schedule) -> RegionSchedule:
        return RegionSchedule(schedule, ring_position(self.website_id), self.region)


def by_website(totals: Iterable[Totals]) -> dict[UUID, list[Totals]]:
    """The totals of each website, in their order."""
    grouped: dict[UUID, list[Totals]] = {}
    for one in totals:
        grouped.setdefault(one.website_id, []).append(one)
    return grouped
