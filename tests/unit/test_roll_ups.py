"""Adding up: the parts come to what the whole comes to, in whatever order they come."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.histogram import quantile_rank
from monitor.domain.series import HOUR_S, Bucket, merge
from monitor.storage.timeseries.totals import Totals

WEBSITE = UUID("0197a000-0000-7000-8000-00000000000a")
REGION = "europe"

milliseconds = st.integers(0, 60_000_000).map(lambda us: us / 1000)
answers = st.tuples(st.integers(0, 1), st.none() | milliseconds, st.sampled_from([None, 1]))
"""(up, response_ms or None, 1 if out of turn) of a check."""
slots = st.integers(0, 10 * HOUR_S)
checks = st.lists(st.tuples(slots, answers), max_size=60)


def _added_up(found, width_s):
    """Checks as buckets of this width, each added up by itself."""
    totals = {}
    for slot_s, (up, ms, out_of_turn) in found:
        start_s = slot_s - slot_s % width_s
        own = totals.setdefault(start_s, Totals(WEBSITE, REGION))
        own.add([(slot_s, up, ms, out_of_turn)])
    return [_bucket(one, start_s) for start_s, one in sorted(totals.items())]


def _bucket(totals, start_s):
    """What a chart reads of a roll-up."""
    r = totals.rollup(start_s, None)
    mean_ms = r.total_ms / r.measured if r.measured else None
    counts = r.checks, r.up, r.measured
    return Bucket(REGION, start_s, *counts, mean_ms, totals.p95_ms, r.max_ms, r.out_of_turn)


def _same(one, other):
    """Equal but for the last digits of a mean, which depend on the order of adding."""
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.region, a.start_s, a.checks, a.up, a.measured, a.max_ms, a.out_of_turn) == (
            b.region, b.start_s, b.checks, b.up, b.measured, b.max_ms, b.out_of_turn
        )  # fmt: skip
        assert a.mean_ms == (None if b.mean_ms is None else pytest.approx(b.mean_ms))


@given(checks, st.sampled_from([60, 180, 600, 1200]), st.sampled_from([1, 2, 5]))
def test_hours_of_parts_are_hours_of_the_whole(found, part_s, hours):
    # given
    parts = _added_up(found, part_s)
    # when
    merged = merge(parts, hours * HOUR_S)
    # then
    whole = _added_up(found, hours * HOUR_S)
    _same(merged, whole)
    for sum_of_parts, exact in zip(merged, whole, strict=True):
        # a percentile of parts is an upper bound, and a value that was measured
        assert (sum_of_parts.p95_ms is None) is (exact.p95_ms is None)
        if exact.p95_ms is not None:
            assert exact.p95_ms <= sum_of_parts.p95_ms <= exact.max_ms


@given(checks.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_order_of_checks_makes_no_difference(orders):
    one, other = orders
    _same(_added_up(one, HOUR_S), _added_up(other, HOUR_S))


@given(checks, st.randoms(use_true_random=False))
def test_the_order_of_buckets_makes_no_difference(found, chance):
    # given
    parts = _added_up(found, 60)
    shuffled = parts[:]
    chance.shuffle(shuffled)
    # then
    _same(merge(shuffled, HOUR_S), merge(parts, HOUR_S))


@given(checks)
def test_merging_in_steps_is_merging_at_once(found):
    parts = _added_up(found, 60)
    # when
    steps = merge(merge(merge(parts, 600), HOUR_S), 5 * HOUR_S)
    at_once = merge(parts, 5 * HOUR_S)
    # then
    _same(steps, at_once)
    assert [b.p95_ms for b in steps] == [b.p95_ms for b in at_once]


@given(checks)
def test_roll_ups_count_every_check_once(found):
    merged = merge(_added_up(found, 60), HOUR_S)
    assert sum(b.checks for b in merged) == len(found)
    assert sum(b.up for b in merged) == sum(up for _, (up, _, _) in found)
    assert sum(b.in_turn for b in merged) == sum(not extra for _, (_, _, extra) in found)
    for b in merged:
        assert 0 <= b.up <= b.checks
        assert 0 <= b.measured <= b.checks
        assert (b.mean_ms is None) is (b.measured == 0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_the_p95_has_a_twentieth_above_it(responses_ms):
    totals = Totals(WEBSITE, REGION)
    for slot_s, ms in enumerate(responses_ms):
        totals.add([(slot_s, 1, ms, None)])
    # when
    found = totals.p95_ms
    # then
    count = len(responses_ms)
    assert sum(ms <= found for ms in responses_ms) >= 0.95 * count - 0.5
    assert sum(ms > found for ms in responses_ms) <= 0.05 * count + 0.5
    assert 1 <= quantile_rank(0.95, count) <= count


def test_regions_are_never_added_to_each_other():
    one = Bucket("asia", 0, 1, 1, 1, 1.0, 1.0, 1.0)
    other = Bucket("europe", 0, 1, 0, 0, None, None, None)
    assert merge([one, other], HOUR_S) == [one, other]
