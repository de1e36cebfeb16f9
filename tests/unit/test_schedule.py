"""What was due is what was due then: pauses, intervals and regions count while they last."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.ring import POSITIONS, arcs_of_window
from monitor.domain.schedule import Lifetime, Period, Schedule, Span, settled_s
from monitor.domain.series import DAY_S, plan
from monitor.domain.windows import Window

T = 1_790_000_040
"""Where a minute, and an interval of 30, 60 or 120 s begins."""
EUROPE = (Lifetime("europe", T - DAY_S),)

positions = st.integers(0, POSITIONS - 1)


def _due(*periods, span=(T, T + 3600), lifetimes=EUROPE, region="europe", position=0):
    return Schedule(periods, lifetimes).due(position, region, Span(*span))


def test_a_constant_interval_is_due_once_in_each():
    assert _due(Period(T, None, 60)) == 60
    assert _due(Period(T, None, 30)) == 120
    assert _due(Period(T, None, 60), span=(T + 600, T + 1200)) == 10


def test_nothing_is_due_in_a_pause():
    # given 220 s, of which 150 were paused
    periods = [Period(T, T + 30, 30), Period(T + 30, T + 180, None), Period(T + 180, None, 30)]
    assert _due(*periods, span=(T, T + 220)) == 1 + 2


def test_nothing_is_due_of_a_website_that_was_always_paused():
    assert _due(Period(T, None, None)) == 0


def test_an_interval_counts_for_as_long_as_it_lasted():
    assert _due(Period(T, T + 1800, 30), Period(T + 1800, None, 120)) == 60 + 15


@pytest.mark.parametrize(
    ("names", "due"),
    [(None, 60), (("europe",), 60), (("asia", "europe"), 60), (("asia",), 0), ((), 0)],
)
def test_only_the_regions_of_a_period_are_due(names, due):
    assert _due(Period(T, None, 60, names)) == due


def test_a_region_that_comes_and_goes_is_due_while_it_exists():
    lifetimes = [
        Lifetime("europe", T + 600, T + 1200),
        Lifetime("asia", T),
        Lifetime("europe", T + 1800),
    ]
    assert _due(Period(T, None, 60), lifetimes=lifetimes) == 10 + 30
    assert _due(Period(T, T + 660, 60), lifetimes=lifetimes) == 1
    # and a website that names it has a period of its own for each of these
    assert _due(Period(T + 600, T + 1200, 60, ("europe",)), lifetimes=lifetimes) == 10


def test_a_slot_whose_turn_had_passed_when_the_website_came_was_not_due():
    # given a slot in the middle of a minute, whose batch is due when that begins
    middle = POSITIONS // 2
    assert _due(Period(T + 10, None, 60), span=(T, T + 60), position=middle) == 0
    assert _due(Period(T + 10, None, 60), span=(T, T + 120), position=middle) == 1
    # and one whose batch was dispatched before the website went
    assert _due(Period(T, T + 10, 60), span=(T, T + 60), position=middle) == 1


edges = st.lists(st.floats(0, 3 * 3600), max_size=6, unique=True).map(sorted)
intervals = st.none() | st.integers(30, 600)


@given(positions, edges, st.data())
def test_due_is_what_a_scheduler_that_looks_each_minute_dispatches(position, edges, data):
    # given periods without gaps
    starts = [T, *(T + edge for edge in edges)]
    every = data.draw(st.lists(intervals, min_size=len(starts), max_size=len(starts)))
    periods = [
        Period(since, until, interval)
        for since, until, interval in zip(starts, [*starts[1:], None], every, strict=True)
    ]
    # when
    dispatched = 0
    for minute in range(T, T + 4 * 3600, 60):
        for interval in {p.check_frequency for p in periods if p.check_frequency}:
            for arc in arcs_of_window(interval, minute, minute + 60):
                if arc.lo <= position < arc.hi:
                    at_s = arc.slot_ms // 1000
                    (now,) = [
                        p for p in periods
                        if p.since_s <= at_s < (p.until_s or math.inf)
                    ]  # fmt: skip
                    dispatched += now.check_frequency == interval
    # then
    assert _due(*periods, span=(T, T + 4 * 3600), position=position) == dispatched


@given(positions, st.integers(30, 86_400), st.floats(0, 3 * DAY_S))
def test_due_is_the_time_over_the_interval_within_one(position, interval, length):
    due = _due(Period(T, None, interval), span=(T, T + length), position=position)
    assert abs(due - length / interval) <= 1 + 60 / interval


def _known(*periods, created_s=T, settled=T + 7 * DAY_S, days=1):
    now_s = int(settled) + 90
    return Schedule(periods, EUROPE).known(_plan(days, now_s), created_s, settled)


def _plan(days, now_s):
    window = Window(now_s - days * DAY_S, now_s)
    return plan(window, now_s, 180, raw_days=30)


def test_nothing_is_known_without_a_period():
    assert _known() is None


def test_a_website_is_known_from_its_creation():
    settled = T + 600
    assert _known(Period(T + 0.5, None, 60), created_s=T + 0.5, settled=settled) == Span(
        T + 0.5, settled
    )


def test_a_long_known_website_is_known_for_the_whole_chart():
    known = _known(Period(T, None, 180))
    assert known.since_s == _plan(1, int(known.until_s) + 90).since_s


def test_what_began_unknown_is_known_from_the_next_bucket():
    # given a website of long ago, whose first period begins in a bucket
    known = _known(Period(T + 1, None, 180), created_s=T - DAY_S, settled=T + 3600)
    assert known == Span(math.ceil((T + 1) / 180) * 180, T + 3600)
    # and no bucket has begun since
    assert _known(Period(T + 1, None, 180), created_s=T - DAY_S, settled=T + 60) is None


def test_a_slot_counts_once_its_tick_is_stored():
    # given a time-out of 15 s, and ten seconds to store what came of it
    assert settled_s(T + 60 + 24, 15) == T
    assert settled_s(T + 60 + 25, 15) == T + 60
