"""Roll-ups: the checks of one website and region in an hour or a day, and what is missing. Pure.

Times are Unix seconds; spans are half-open. Days are those of UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from msgspec import Struct

from monitor.domain.histogram import Histogram, decode_varints, encode_varints
from monitor.domain.ids import ring_position
from monitor.domain.schedule import RegionSchedule, Schedule
from monitor.domain.series import DAY_S, HOUR_S, Bucket


class Gap(Struct, frozen=True, order=True):
    """Slots that were due and not measured: from the first one to the next that was due.

    It ends sooner where the region stopped checking the website in between. So the gaps of
    neighbouring roll-ups touch where they are one.
    """

    since_s: int
    until_s: int


class Rollup(Struct, frozen=True):
    """The checks of one region that start at ``start_s`` or later, up to the next roll-up.

    ``out_of_turn``: checks that fill no slot. ``expected``: slots that were due; None where that
    is not known, and then ``gaps`` is empty. ``measured``: checks with a response time, whose sum
    is ``total_ms``. ``histogram``: of the response times; None where it is not known any more, or
    was not kept yet.
    """

    region: str
    start_s: int
    checks: int
    up: int
    out_of_turn: int
    expected: int | None
    measured: int
    total_ms: float
    max_ms: float | None
    histogram: Histogram | None
    gaps: tuple[Gap, ...] = ()


def merged(rollups: Sequence[Rollup], start_s: int) -> Rollup:
    """One roll-up of these of one region, at least one, as a day of its hours.

    What is not known of one of them is not known of all, but for the histogram of one without
    response times.
    """
    histograms = [r.histogram for r in rollups if r.measured]
    expected = [r.expected for r in rollups]
    maxima = [r.max_ms for r in rollups if r.max_ms is not None]
    return Rollup(
        region=rollups[0].region,
        start_s=start_s,
        checks=sum(r.checks for r in rollups),
        up=sum(r.up for r in rollups),
        out_of_turn=sum(r.out_of_turn for r in rollups),
        expected=None if None in expected else sum(n for n in expected if n is not None),
        measured=sum(r.measured for r in rollups),
        total_ms=sum(r.total_ms for r in rollups),
        max_ms=max(maxima, default=None),
        histogram=None
        if None in histograms
        else Histogram.merged(h for h in histograms if h is not None),
        gaps=() if None in expected else united(gap for r in rollups for gap in r.gaps),
    )


def buckets(rollups: Iterable[Rollup], width_s: int) -> list[Bucket]:
    """The buckets of a chart, aligned to ``width_s`` and sorted by region, then time.

    Their p95 is within 1.1 %; None where a histogram is not known.
    """
    groups: dict[tuple[str, int], list[Rollup]] = {}
    for rollup in rollups:
        start_s = rollup.start_s - rollup.start_s % width_s
        groups.setdefault((rollup.region, start_s), []).append(rollup)
    sums = (merged(group, start_s) for (_, start_s), group in sorted(groups.items()))
    return [_bucket(one) for one in sums if one.checks]


def _bucket(one: Rollup) -> Bucket:
    return Bucket(
        region=one.region,
        start_s=one.start_s,
        checks=one.checks,
        up=one.up,
        measured=one.measured,
        mean_ms=one.total_ms / one.measured if one.measured else None,
        p95_ms=None if one.histogram is None else one.histogram.quantile(0.95),
        max_ms=one.max_ms,
        out_of_turn=one.out_of_turn,
    )


def day_of_hours(
    hours: Sequence[Rollup], day_s: int, website_id: UUID, schedule: Schedule | None
) -> Rollup:
    """The day that starts at ``day_s`` from the hours of a region, at least one, in order.

    ``schedule``: what was due that day, which tells of the hours without a check; None: not known.
    """
    if schedule is not None and len(hours) < DAY_S // HOUR_S:
        due = RegionSchedule(schedule, ring_position(website_id), hours[0].region)
        hours = with_missing(hours, due, day_s, day_s + DAY_S, HOUR_S)
    return merged(hours, day_s)


def united(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """These gaps in order of time; those that touch or overlap are one."""
    rows: list[Gap] = []
    for gap in sorted(gaps):
        if rows and gap.since_s <= rows[-1].until_s:
            rows[-1] = Gap(rows[-1].since_s, max(rows[-1].until_s, gap.until_s))
        else:
            rows.append(gap)
    return tuple(rows)


def with_missing(
    rollups: Iterable[Rollup], due: RegionSchedule, since_s: int, until_s: int, width_s: int
) -> list[Rollup]:
    """The roll-ups of a region, each ``width_s`` wide, and one for each in which no slot was
    measured although some were due: nothing is stored for those.

    ``since_s`` is a multiple of ``width_s``. ``due``: known from ``since_s`` on, or from the
    website's creation.
    """
    by_start = {r.start_s: r for r in rollups}
    for start_s in range(since_s, until_s, width_s):
        if start_s not in by_start:
            end_s = min(start_s + width_s, until_s)
            if rows := list(due.rows(start_s, end_s)):
                by_start[start_s] = unmeasured(due, start_s, rows)
    return [rollup for _, rollup in sorted(by_start.items())]


def unmeasured(due: RegionSchedule, start_s: int, rows: Sequence[range]) -> Rollup:
    """The roll-up of a time in which nothing was measured. ``rows``: the slots that were due."""
    expected = sum(map(len, rows))
    gaps = _gaps(due, rows)
    return Rollup(due.region, start_s, 0, 0, 0, expected, 0, 0.0, None, Histogram(), gaps)


def gaps_of(due: RegionSchedule, rows: Sequence[range], filled_s: Sequence[int]) -> tuple[Gap, ...]:
    """The slots of ``rows``, those of ``due`` in a span, that have no check.

    ``filled_s``: the seconds of the checks in turn in that span, ascending. A check fills the slot
    in whose turn, or between it and the slot, its second lies.
    """
    return _gaps(due, due.missed(rows, filled_s))


def _gaps(due: RegionSchedule, missed: Sequence[range]) -> tuple[Gap, ...]:
    ends_s = (due.next_slot_s(row[-1]) for row in missed)
    return united(
        Gap(row[0], end_s) for row, end_s in zip(missed, ends_s, strict=True) if row[0] < end_s
    )


def encode_gaps(gaps: Sequence[Gap], start_s: int) -> bytes:
    """Gaps of the roll-up that starts at ``start_s``, as varints; b"" for none."""
    return encode_varints(n for g in gaps for n in (g.since_s - start_s, g.until_s - g.since_s))


def decode_gaps(encoded: bytes, start_s: int) -> tuple[Gap, ...]:
    """The gaps from ``encode_gaps``. Raises ValueError for anything else."""
    numbers = decode_varints(encoded)
    begins = [start_s + n for n in numbers[::2]]
    return tuple(Gap(at, at + n) for at, n in zip(begins, numbers[1::2], strict=True))
