"""Charts: at most 500 points, honest sums."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from monitor.domain.series import DAY_S, HOUR_S, Bucket, Uptime, merge, plan, uptime


@given(st.integers(1, 90), st.integers(1_700_000_000, 1_900_000_000), st.integers(30, 86_400))
def test_a_plan_covers_the_days_with_at_most_500_points(days, now, frequency):
    p = plan(days, now, frequency)
    assert (p.until_s - p.since_s) // p.width_s <= 500
    assert p.since_s % p.width_s == 0
    assert p.until_s > now >= p.until_s - p.width_s
    assert p.until_s - p.since_s >= days * DAY_S
    assert p.since_s <= p.raw_from_s


@given(st.integers(4, 90), st.integers(1_700_000_000, 1_900_000_000))
def test_long_charts_read_roll_ups_except_for_the_last_hours(days, now):
    p = plan(days, now, 180)
    assert p.width_s % HOUR_S == 0
    assert p.raw_from_s % HOUR_S == 0
    assert HOUR_S <= now - p.raw_from_s < 2 * HOUR_S


def test_a_day_of_three_minute_checks_is_one_point_a_check():
    assert plan(1, 1_750_000_000, 180).width_s == 180


def _bucket(start, checks, up, mean, p95, region="eu"):
    return Bucket(region, start, checks, up, checks if mean else 0, mean, p95, p95)


def test_merging_weights_means_and_bounds_percentiles():
    # given
    rows = [
        _bucket(0, 3, 3, 10.0, 20.0),
        _bucket(60, 1, 0, 50.0, 50.0),
        _bucket(120, 2, 2, 5.0, 6.0),
    ]
    # when
    first, second = merge(rows, 120)
    # then
    assert (first.checks, first.up, first.mean_ms, first.p95_ms) == (4, 3, 20.0, 50.0)
    assert (second.start_s, second.checks) == (120, 2)


def test_merging_keeps_regions_apart_and_nothing_measured_has_no_mean():
    rows = [_bucket(0, 2, 0, None, None), _bucket(0, 1, 1, 9.0, 9.0, region="us")]
    europe, america = merge(rows, 60)
    assert europe.mean_ms is None
    assert america.mean_ms == 9.0


def test_merging_adds_up_the_checks_out_of_turn():
    rows = [_bucket(0, 3, 3, 1.0, 1.0), _bucket(60, 2, 2, 1.0, 1.0), _bucket(120, 1, 1, 1.0, 1.0)]
    rows = [structs.replace(b, out_of_turn=n) for n, b in enumerate(rows)]
    assert [(b.checks, b.out_of_turn, b.in_turn) for b in merge(rows, 180)] == [(6, 3, 3)]


def test_uptime_says_how_much_it_measured():
    # given a day of which half was measured, a quarter of that down
    rows = [_bucket(0, 240, 180, 10.0, 10.0)]
    # when
    told = uptime(rows, 240, 480)
    # then
    assert told.up_ratio == 0.75
    assert told.measured_ratio == 0.5


def test_a_gap_is_unknown():
    assert uptime([], 0, 480) == Uptime(0, None, 0.0)


def test_where_nothing_was_due_no_share_of_it_was_measured():
    assert uptime([_bucket(0, 1, 1, 10.0, 10.0)], 0, 0) == Uptime(1, 1.0, None)


def test_no_more_than_all_is_measured():
    assert uptime([_bucket(0, 3, 3, 10.0, 10.0)], 3, 2).measured_ratio == 1.0
