"""Every second is in one class, and the figures are those of their sums."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.availability import (
    Incidents,
    Interval,
    Seconds,
    State,
    incidents,
    intervals,
)
from monitor.domain.windows import Window

HOUR = Window(0, 3600)


def _parts(window=HOUR, *, excluded=(), fresh=((0, 10_000),), down=()):
    sets = {"excluded": excluded, "fresh": fresh, "down": down}
    return intervals(window, **{n: [Window(*one) for one in part] for n, part in sets.items()})


def _seconds(window=HOUR, **sets):
    return Seconds.of(_parts(window, **sets))


windows = st.lists(st.builds(Window, st.integers(-10, 70), st.integers(-10, 70)), max_size=6)


@given(st.integers(0, 60), st.integers(0, 60), windows, windows, windows)
def test_nothing_overlaps_nothing_is_lost_and_each_second_has_the_first_class_that_fits(
    since_s, length_s, excluded, fresh, down
):
    window = Window(since_s, since_s + length_s)
    parts = intervals(window, excluded=excluded, fresh=fresh, down=down)
    # then they follow each other from one edge of the window to the other
    edges = [since_s, *(p.until_s for p in parts)]
    assert edges == sorted(set(edges))
    assert edges[-1] == window.until_s
    assert [p.since_s for p in parts] == edges[:-1]
    # and each second is what it is
    classes = [p.state for p in parts for _ in range(p.since_s, p.until_s)]
    assert classes == [
        _class(second, excluded, fresh, down) for second in range(since_s, window.until_s)
    ]
    sums = Seconds.of(parts)
    assert sums.up_s + sums.down_s + sums.not_measured_s + sums.excluded_s == length_s
    assert 0 <= sums.low <= (sums.low if sums.measured is None else sums.measured)
    assert (sums.high if sums.measured is None else sums.measured) <= sums.high <= 1


def _class(second, excluded, fresh, down):
    def has(parts):
        return any(part.since_s <= second < part.until_s for part in parts)

    if has(excluded):
        return State.EXCLUDED
    if not has(fresh):
        return State.NOT_MEASURED
    return State.DOWN if has(down) else State.UP


def test_an_incident_counts_where_it_was_measured_and_not_paused():
    # given an incident of 1,000 s: 200 of them not measured, and 100 paused
    parts = _parts(excluded=[(900, 1200)], fresh=[(0, 500), (700, 9000)], down=[(300, 1000)])
    assert parts == [
        Interval(0, 300, State.UP),
        Interval(300, 500, State.DOWN),
        Interval(500, 700, State.NOT_MEASURED),
        Interval(700, 900, State.DOWN),
        Interval(900, 1200, State.EXCLUDED),
        Interval(1200, 3600, State.UP),
    ]
    sums = Seconds.of(parts)
    assert sums == Seconds(2700, 400, 200, 300)
    assert sums.measured == 2700 / 3100
    assert sums.low == 2700 / 3300
    assert sums.high == 2900 / 3300


@pytest.mark.parametrize(
    ("sets", "bounds"),
    [
        ({"fresh": []}, (None, 0.0, 1.0)),
        ({"fresh": [], "down": [(0, 3600)]}, (None, 0.0, 1.0)),
        ({"excluded": [(0, 3600)]}, (None, 0.0, 1.0)),
        ({}, (1.0, 1.0, 1.0)),
        ({"down": [(-5, 5000)]}, (0.0, 0.0, 0.0)),
        ({"fresh": [(0, 1800)]}, (1.0, 0.5, 1.0)),
    ],
)
def test_what_was_not_measured_widens_the_bounds(sets, bounds):
    sums = _seconds(**sets)
    assert (sums.measured, sums.low, sums.high) == bounds


def test_an_empty_window_measured_nothing():
    assert _parts(Window(5, 5)) == []
    assert _seconds(Window(5, 5)).measured is None


def test_totals_add_seconds_and_do_not_average_ratios():
    # given one website of an hour that was down for all of it, and one of ten hours
    total = _seconds(down=[(0, 3600)]) + _seconds(Window(0, 36_000), fresh=[(0, 36_000)])
    assert total.measured == 10 / 11


def _incidents(*spans, window=HOUR, **sets):
    open_in = [Window(*one) for one in spans]
    return incidents(window, _parts(window, down=spans, **sets), open_in)


def test_incidents_are_cut_to_the_window():
    counted = _incidents((-500, 100), (200, 260), (3590, 9000))
    assert counted == Incidents(number=3, down_s=100 + 60 + 10, longest_s=100)
    assert counted.average_s == 170 / 3
    assert counted.mean_time_between_s(Seconds(up_s=3430, down_s=170)) == 3430 / 3


def test_incidents_outside_the_window_are_none():
    assert _incidents((-100, 0), (3600, 3700), (-50, -50)) == Incidents()
    assert Incidents().average_s is None
    assert Incidents().mean_time_between_s(Seconds(up_s=3600)) is None


def test_an_incident_that_was_not_measured_is_counted_and_has_no_seconds():
    assert _incidents((100, 200), fresh=[]) == Incidents(number=1)
    assert _incidents((100, 100)) == Incidents(number=1)
    assert _incidents((0, 0)) == Incidents(number=1)
    assert _incidents((100, 300), fresh=[(0, 150), (250, 3600)]) == Incidents(1, 100, 100)


def test_incidents_of_several_websites_add_up():
    assert Incidents(1, 50, 50) + Incidents(2, 30, 20) == Incidents(3, 80, 50)
