"""A scripted history of one website, and what is true of each of its seconds. Pure.

Told plainly and slowly, second by second, from the script alone: nothing here is imported from what
it judges. All times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

RECHECK_S = 15

Span = tuple[int, int]


def within(second: float, spans: tuple[Span, ...]) -> bool:
    return any(since <= second < until for since, until in spans)


@dataclass(frozen=True)
class Check:
    """A check of a region; ``recheck``: it fills no slot."""

    at_s: int
    region: str
    up: bool
    recheck: bool = False

    @property
    def response_ms(self) -> float:
        """A response time that differs from one check to the next."""
        return 20.0 + (self.at_s // 30 * 7919 % 1000) / 10 + len(self.region)


@dataclass(frozen=True)
class Story:
    """A website, created at ``since_s``, that is checked every ``every_s`` until ``until_s``.

    ``offset_s``: how far into each interval its slot lies. ``outages``: when a region finds it
    down. ``pauses``: of the website. ``offline``: when a region has no network. ``away``: when
    nothing is scheduled anywhere.
    """

    since_s: int
    until_s: int
    every_s: int
    timeout_s: int
    offset_s: int
    regions: tuple[str, ...]
    outages: Mapping[str, tuple[Span, ...]]
    pauses: tuple[Span, ...] = ()
    offline: Mapping[str, tuple[Span, ...]] = ()
    away: tuple[Span, ...] = ()

    def slots(self) -> Iterator[int]:
        """The seconds of the slots whose minute, or interval, begins while it is not paused. One
        that lies in the next pause all the same is not checked."""
        first = self.since_s // self.every_s * self.every_s + self.offset_s
        for slot in range(first, self.until_s, self.every_s):
            turn = max(slot // 60 * 60, slot // self.every_s * self.every_s)
            if turn >= self.since_s and not within(turn, self.pauses):
                yield slot

    def checks(self, region: str) -> Iterator[Check]:
        """Those of a region, in order, with a re-check after each failure that is the first."""
        failed_since = None
        for slot in self.slots():
            blind = (*self.away, *dict(self.offline).get(region, ()))
            if failed_since is not None and any(failed_since <= p <= slot for p, _ in self.pauses):
                failed_since = None
            if within(slot, (*blind, *self.pauses)) or slot >= self.until_s:
                continue
            up = not within(slot, self.outages.get(region, ()))
            yield Check(slot, region, up)
            if up:
                failed_since = None
            elif failed_since is None:
                failed_since = slot
                again = slot + RECHECK_S
                if not within(again, (*blind, *self.pauses)) and again < self.until_s:
                    still = within(again, self.outages.get(region, ()))
                    yield Check(again, region, up=not still, recheck=True)
                    failed_since = slot if still else None

    @cached_property
    def paused(self) -> bytearray:
        """For each second, whether the website was paused."""
        return bytearray(within(s, self.pauses) for s in range(self.since_s, self.until_s))

    @cached_property
    def fresh(self) -> dict[str, bytearray]:
        """For each region and second, whether a verdict counted; a pause forgets it."""
        limit_s = 2 * self.every_s + self.timeout_s + 60
        marks = {}
        for region in self.regions:
            mark = marks[region] = bytearray(self.until_s - self.since_s)
            slots = {c.at_s for c in self.checks(region) if not c.recheck}
            last = None
            for second in range(self.since_s, self.until_s):
                if second in slots:
                    last = second
                if self.paused[second - self.since_s]:
                    last = None
                mark[second - self.since_s] = last is not None and second - last <= limit_s
        return marks

    @cached_property
    def held_down(self) -> dict[str, bytearray]:
        """For each region and second, whether its verdict was down: since the first failure of two
        that are at least 15 s apart, until the first success or a pause."""
        marks = {}
        for region in self.regions:
            mark = marks[region] = bytearray(self.until_s - self.since_s)
            since, confirmed = None, False
            checks = {c.at_s: c for c in self.checks(region)}
            for second in range(self.since_s, self.until_s):
                check = checks.get(second)
                if self.paused[second - self.since_s] or (check is not None and check.up):
                    since, confirmed = None, False
                elif check is not None:
                    since = second if since is None else since
                    if not confirmed and second - since >= RECHECK_S:
                        confirmed = True
                        for earlier in range(since, second):
                            mark[earlier - self.since_s] = True
                mark[second - self.since_s] = confirmed
        return marks

    @cached_property
    def incident(self) -> bytearray:
        """For each second, whether more than half of the regions that count held it down; as it
        was before, where none counts."""
        mark = bytearray(self.until_s - self.since_s)
        before = False
        for n in range(self.until_s - self.since_s):
            counting = [r for r in self.regions if self.fresh[r][n]]
            if self.paused[n]:
                before = False
            elif counting:
                before = 2 * sum(self.held_down[r][n] for r in counting) > len(counting)
            mark[n] = before
        return mark

    def figures(self, since_s: int, until_s: int, region: str | None = None) -> dict[str, object]:
        """The figures of [since_s, until_s), of a region or of all."""
        kinds, down = self._kinds[region], self._down(region)
        counts = dict.fromkeys(("up", "down", "not_measured", "excluded"), 0)
        lengths: list[int] = []
        open_before = False
        for n in range(max(since_s - self.since_s, 0), until_s - self.since_s):
            if down[n] and not open_before:
                lengths.append(0)
            open_before = bool(down[n])
            counts[kinds[n]] += 1
            if kinds[n] == "down":
                lengths[-1] += 1
        return _figures(counts, lengths)

    def _down(self, region: str | None) -> bytearray:
        return self.incident if region is None else self.held_down[region]

    @cached_property
    def _kinds(self) -> dict[str | None, list[str]]:
        """For each region, and for all of them (None), what each second is."""
        seconds = range(self.until_s - self.since_s)
        return {r: [self._kind(n, r) for n in seconds] for r in (None, *self.regions)}

    def _kind(self, n: int, region: str | None) -> str:
        if self.paused[n]:
            return "excluded"
        if not any(self.fresh[r][n] for r in self.regions if region in (None, r)):
            return "not_measured"
        return "down" if self._down(region)[n] else "up"

    def response_times(self, since_s: int, until_s: int, region: str | None = None) -> list[float]:
        """Those of all checks in [since_s, until_s), in ascending order."""
        regions = self.regions if region is None else (region,)
        checks = (c for r in regions for c in self.checks(r))
        return sorted(c.response_ms for c in checks if since_s <= c.at_s < until_s)


def _figures(counts: Mapping[str, int], lengths: list[int]) -> dict[str, object]:
    up, down, missed = counts["up"], counts["down"], counts["not_measured"]
    whole = up + down + missed
    return {
        "availability": {
            "measured": round(up / (up + down), 9) if up + down else None,
            "low": round(up / whole, 9) if whole else 0.0,
            "high": round((up + missed) / whole, 9) if whole else 1.0,
        },
        "total_downtime_s": down,
        "not_measured_s": missed,
        "excluded_s": counts["excluded"],
        "number_of_incidents": len(lengths),
        "longest_incident_s": max(lengths, default=0),
        "average_incident_s": round(sum(lengths) / len(lengths), 3) if lengths else None,
        "mean_time_between_failures_s": round(up / len(lengths), 3) if lengths else None,
    }
