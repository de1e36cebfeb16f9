"""Adding up: the parts come to what the whole comes to, in whatever order they come."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from monitor.domain.histogram import quantile_rank
from monitor.domain.rollup import merged
from monitor.domain.series import HOUR_S
from monitor.storage.timeseries.totals import Totals

WEBSITE = UUID("0197a000-0000-7000-8000-00000000000a")
REGION = "europe"

milliseconds = st.integers(0, 60_000_000).map(lambda us: us / 1000)
answers = st.tuples(st.integers(0, 1), st.none() | milliseconds, st.sampled_from([None, 1]))
"""(up, response_ms or None, 1 if out of turn) of a check."""
slots = st.integers(0, 10 * HOUR_S)
checks = st.lists(st.tuples(slots, answers), min_size=1, max_size=60)


def _added_up(found, width_s):
    """Checks as roll-ups of this width, each added up by itself."""
    totals = {}
    for slot_s, (up, ms, out_of_turn) in found:
        start_s = slot_s - slot_s % width_s
        own = totals.setdefault(start_s, Totals(WEBSITE, REGION))
        own.add([(slot_s, up, ms, out_of_turn)])
    return [one.rollup(start_s, None) for start_s, one in sorted(totals.items())]


def _same(one, other):
    """Equal but for the last digits of a sum, which depend on the order of adding."""
    assert one == structs.replace(other, total_ms=pytest.approx(other.total_ms))


@given(checks, st.sampled_from([60, 180, 600, 1200]))
def test_the_sum_of_parts_is_the_whole(found, part_s):
    (whole,) = _added_up(found, 11 * HOUR_S)
    _same(merged(_added_up(found, part_s), 0), whole)


@given(checks.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_order_of_checks_makes_no_difference(orders):
    for one, other in zip(*(_added_up(found, HOUR_S) for found in orders), strict=True):
        _same(one, other)


@given(checks, st.randoms(use_true_random=False))
def test_the_order_of_parts_makes_no_difference(found, chance):
    # given
    parts = _added_up(found, 60)
    shuffled = parts[:]
    chance.shuffle(shuffled)
    # then
    _same(merged(shuffled, 0), merged(parts, 0))


@given(checks)
def test_merging_in_steps_is_merging_at_once(found):
    hours = _added_up(found, HOUR_S)
    steps = [merged([h], h.start_s) for h in hours[:2]] + hours[2:]
    _same(merged([merged(steps[:3], 0), *steps[3:]], 0), merged(hours, 0))


@given(checks)
def test_roll_ups_count_every_check_once(found):
    day = merged(_added_up(found, HOUR_S), 0)
    assert day.checks == len(found)
    assert day.up == sum(up for _, (up, _, _) in found)
    assert day.out_of_turn == sum(extra is not None for _, (_, _, extra) in found)
    times = [ms for _, (_, ms, _) in found if ms is not None]
    assert day.measured == day.histogram.count == len(times)
    assert day.max_ms == max(times, default=None)


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
