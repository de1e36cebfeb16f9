"""Histograms: merging loses nothing, and every quantile is within 1.1 % of the exact one."""

import math

import pytest
from ddsketch import DDSketch
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.histogram import BASE, Histogram, decode_varints, encode_varints, quantile_rank

durations = st.integers(0, 60_000_000).map(lambda us: us / 1000)
some = st.lists(durations, max_size=80)


@given(some.flatmap(lambda values: st.tuples(st.just(values), st.permutations(values))))
def test_the_order_of_values_makes_no_difference(orders):
    one, other = orders
    assert Histogram.of(one) == Histogram.of(other)


@given(st.lists(some, max_size=8), st.randoms(use_true_random=False))
def test_merging_in_any_order_and_grouping_gives_the_whole(parts, chance):
    # given
    whole = Histogram.of([ms for part in parts for ms in part])
    heap = [Histogram.of(part) for part in parts] or [Histogram()]
    # when: any two or three at a time, until one is left
    while len(heap) > 1:
        chance.shuffle(heap)
        count = chance.randint(2, 3)
        heap = [*heap[count:], Histogram.merged(heap[:count])]
    # then
    assert heap == [whole]


@given(st.lists(durations, min_size=1, max_size=200), st.floats(0, 1))
def test_every_quantile_is_within_1_1_percent_of_the_exact_one(values, q):
    exact = sorted(values)[quantile_rank(q, len(values)) - 1]
    assert Histogram.of(values).quantile(q) == pytest.approx(exact, rel=0.011)


@given(
    # Beside the edges of buckets, where the two may round to different sides.
    st.lists(st.integers(10, 60_000_000).map(lambda us: (us + 0.37) / 1000), min_size=2),
    st.floats(0, 1),
)
def test_quantiles_are_those_of_ddsketch_with_the_same_buckets(values, q):
    # given: its accuracy is half the width of a bucket
    sketch = DDSketch((BASE - 1) / (BASE + 1))
    for value in values:
        sketch.add(value)
    # when: its ranks begin at 0, and it takes the value below
    rank = quantile_rank(q, len(values))
    oracle = sketch.get_quantile_value(min(1.0, (rank - 0.75) / (len(values) - 1)))
    # then
    assert Histogram.of(values).quantile(q) == pytest.approx(oracle, rel=1e-9)


@pytest.mark.parametrize(
    ("q", "count", "rank"),
    [(0.5, 0, 0), (0.0, 9, 1), (1.0, 9, 9), (0.5, 3, 2), (0.95, 10, 10), (0.95, 30, 29)],
)
def test_ranks_are_rounded_half_up(q, count, rank):
    assert quantile_rank(q, count) == rank


@given(st.integers(1, 100_000))
def test_the_rank_of_the_p95_is_that_of_charts(count):
    assert quantile_rank(0.95, count) == max((95 * count + 50) // 100, 1)


@given(st.floats(0.001, 1e9))
def test_one_value_is_taken_for_one_within_1_09_percent(value):
    histogram = Histogram.of([value])
    assert abs(histogram.quantile(0.5) - value) <= 0.0109 * value
    assert abs(histogram.mean_ms - value) <= 0.0109 * value


@given(st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=200))
def test_the_mean_is_within_1_1_percent(values):
    assert Histogram.of(values).mean_ms == pytest.approx(math.fsum(values) / len(values), rel=0.011)


@given(some, st.lists(st.floats(0, 1), max_size=5))
def test_several_quantiles_are_those_of_one_at_a_time(values, qs):
    histogram = Histogram.of(values)
    assert histogram.quantiles(qs) == [histogram.quantile(q) for q in qs]


@given(some)
def test_encoding_round_trips(values):
    histogram = Histogram.of(values)
    assert Histogram.decode(histogram.encode()) == histogram
    assert histogram.count == len(values)


def test_a_day_of_checks_takes_about_60_bytes():
    # given: 480 response times around 120 ms, some of them slow
    values = [100 + 40 * math.sin(n) ** 2 + (900 if n % 97 == 0 else 0) for n in range(480)]
    # when
    assert 20 <= len(Histogram.of(values).encode()) <= 70


def test_bucket_edges_are_those_of_scale_5():
    # Bucket i holds (base**i, base**(i + 1)], so a power of two ends bucket 32 n - 1.
    counts = Histogram.of([1.0, 2.0, 2.0001, 1024.0]).counts()
    assert list(counts) == [(-1, 1), (31, 1), (32, 1), (319, 1)]


def test_nothing_has_no_quantile():
    assert (Histogram().quantile(0.5), Histogram().mean_ms, Histogram().encode()) == (
        None,
        None,
        b"",
    )


def test_less_than_a_microsecond_is_nothing():
    assert Histogram.of([0.0, 0.0001]).quantile(1.0) == 0.0


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_no_duration_lasts_for_ever(value):
    with pytest.raises(ValueError, match="no duration"):
        Histogram.of([value])


@pytest.mark.parametrize("encoded", [b"\x01", b"\x80", b"\x01\x02\x83"])
def test_what_is_cut_short_is_refused(encoded):
    with pytest.raises(ValueError, match=r"cut short|a count for each"):
        Histogram.decode(encoded)


def test_what_no_duration_falls_in_is_refused():
    damaged = Histogram.decode(encode_varints([2**40, 1]))
    with pytest.raises(ValueError, match="no duration"):
        Histogram.merged([damaged, Histogram.of([1.0])])


@given(st.lists(st.integers(0, 2**40)))
def test_varints_round_trip(numbers):
    assert decode_varints(encode_varints(numbers)) == numbers
