"""Charts: at most 500 points, honest sums."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.series import DAY_S, HOUR_S, Bucket, Uptime, plan, uptime
from monitor.domain.windows import Window

NOW = st.integers(1_700_000_000, 1_900_000_000)
RAW_DAYS = 30


def last_days(days, now_s):
    return Window(now_s - days * DAY_S, now_s)


@given(NOW, st.data(), st.integers(30, 86_400), st.integers(4, 3650))
def test_a_plan_covers_its_window_with_at_most_500_points(now_s, data, frequency, raw_days):
    # given
    since_s = now_s - data.draw(st.integers(1, 400 * DAY_S))
    until_s = data.draw(st.integers(since_s + 1, now_s))
    # when
    p = plan(Window(since_s, until_s), now_s, frequency, raw_days)
    # then
    assert (p.until_s - p.since_s) // p.width_s <= 500
    assert p.since_s % p.width_s == p.until_s % p.width_s == 0
    assert p.since_s <= since_s < p.since_s + p.width_s
    assert p.until_s - p.width_s < until_s <= p.until_s
    assert p.since_s <= p.hourly_from_s <= p.raw_from_s <= p.until_s
    assert p.width_s >= frequency


@given(st.integers(4, 30), NOW, st.integers(30, 86_400))
def test_long_charts_read_roll_ups_except_for_the_last_hours(days, now_s, frequency):
    p = plan(last_days(days, now_s), now_s, frequency, RAW_DAYS)
    assert p.width_s % HOUR_S == 0
    assert p.raw_from_s % HOUR_S == 0
    assert HOUR_S <= now_s - p.raw_from_s < 2 * HOUR_S
    assert p.hourly_from_s == p.since_s


@given(st.integers(31, 400), NOW, st.integers(30, 86_400))
def test_charts_beyond_the_ticks_read_days_except_for_the_last_two(days, now_s, frequency):
    p = plan(last_days(days, now_s), now_s, frequency, RAW_DAYS)
    assert p.width_s == DAY_S
    assert p.hourly_from_s % DAY_S == 0
    assert DAY_S <= now_s - p.hourly_from_s < 2 * DAY_S
    assert HOUR_S <= now_s - p.raw_from_s < 2 * HOUR_S


@pytest.mark.parametrize(
    ("days", "frequency", "width_s"),
    [
        (1, 60, 300),
        (1, 180, 180),
        (1, 3600, 3600),
        (3, 180, 600),
        (7, 180, HOUR_S),
        (7, 5400, 2 * HOUR_S),
        (30, 180, 2 * HOUR_S),
        (30, 86_400, DAY_S),
        (90, 180, DAY_S),
        (400, 180, DAY_S),
    ],
)
def test_buckets_are_as_wide_as_a_person_would_choose(days, frequency, width_s):
    now_s = 1_750_000_000
    assert plan(last_days(days, now_s), now_s, frequency, RAW_DAYS).width_s == width_s


def test_an_old_hour_is_shown_by_its_day():
    # given
    now_s = 1_750_000_000
    hour = Window(now_s - 60 * DAY_S, now_s - 60 * DAY_S + HOUR_S)
    # when
    p = plan(hour, now_s, 180, RAW_DAYS)
    # then
    assert (p.width_s, p.since_s % DAY_S, p.until_s - p.since_s) == (DAY_S, 0, DAY_S)
    assert p.hourly_from_s == p.raw_from_s == p.until_s


def _bucket(start, checks, up, mean, p95, region="eu"):
    return Bucket(region, start, checks, up, checks if mean else 0, mean, p95, p95)


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
