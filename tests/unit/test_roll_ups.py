"""Adding up: the parts come to what the whole comes to, in whatever order they come."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.rollup import buckets
from monitor.domain.series import HOUR_S
from monitor.storage.timeseries.totals import Totals

WEBSITE = UUID("0197a000-0000-7000-8000-00000000000a")
REGION = "europe"

milliseconds = st.integers(0, 60_000_000).map(lambda us: us / 1000)
answers = st.tuples(st.integers(0, 1), st.none() | milliseconds, st.sampled_from([None, 1]))
"""(up, response_ms or None, 1 if out of turn) of a check."""
slots = st.integers(0, 10 * HOUR_S)
checks = st.lists(st.tuples(slots, answers), max_size=60)


def _added_up(found, width_s):
    """Checks as roll-ups of this width, each added up by itself."""
    totals = {}
    for slot_s, (up, ms, out_of_turn) in found:
        start_s = slot_s - slot_s % width_s
        own = totals.setdefault(start_s, Totals(WEBSITE, REGION))
        own.add([(slot_s, up, ms, out_of_turn)])
    return [one.rollup(start_s, None) for start_s, one in sorted(totals.items())]


def _same(rollups, others, width_s=HOUR_S):
    """Equal as buckets, but for the last digits of a mean, which depend on the order of adding."""
    one, other = buckets(rollups, width_s), buckets(others, width_s)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.region, a.start_s, a.checks, a.up, a.measured, a.max_ms, a.out_of_turn) == (
            b.region, b.start_s, b.checks, b.up, b.measured, b.max_ms, b.out_of_turn
        )  # fmt: skip
        assert a.p95_ms == b.p95_ms
        assert a.mean_ms == (None if b.mean_ms is None else pytest.approx(b.mean_ms))


@given(checks, st.sampled_from([60, 180, 600, 1200]), st.sampled_from([1, 2, 5]))
def test_hours_of_parts_are_hours_of_the_whole(found, part_s, hours):
    # given
    parts = _added_up(found, part_s)
    # when
    whole = _added_up(found, hours * HOUR_S)
    # then
    _same(parts, whole, hours * HOUR_S)


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
    _same(shuffled, parts)


@given(checks)
def test_roll_ups_count_every_check_once(found):
    merged = buckets(_added_up(found, 60), HOUR_S)
    assert sum(b.checks for b in merged) == len(found)
    assert sum(b.up for b in merged) == sum(up for _, (up, _, _) in found)
    assert sum(b.in_turn for b in merged) == sum(not extra for _, (_, _, extra) in found)
    for b in merged:
        assert 0 <= b.up <= b.checks
        assert 0 <= b.measured <= b.checks
        assert (b.mean_ms is None) is (b.measured == 0)


@given(checks)
def test_checks_add_up_one_by_one_or_all_at_once(found):
    # given
    samples = [(slot_s, up, ms, out_of_turn) for slot_s, (up, ms, out_of_turn) in found]
    one_by_one, at_once = Totals(WEBSITE, REGION), Totals(WEBSITE, REGION)
    # when
    for sample in samples:
        one_by_one.add([sample])
    if samples:
        at_once.add(samples)
    # then
    assert one_by_one == at_once
    assert at_once.filled_s == [s for s, _, _, out_of_turn in samples if not out_of_turn]


def test_regions_are_never_added_to_each_other():
    # given
    asia, europe = Totals(WEBSITE, "asia"), Totals(WEBSITE, "europe")
    asia.add([(0, 1, 1.0, None)])
    europe.add([(0, 0, None, None)])
    # when
    rows = buckets([europe.rollup(0, None), asia.rollup(0, None)], HOUR_S)
    # then
    assert [(b.region, b.checks, b.up, b.max_ms) for b in rows] == [
        ("asia", 1, 1, 1.0),
        ("europe", 1, 0, None),
    ]
