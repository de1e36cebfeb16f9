"""When a verdict counted: what is told from the schedule and the gaps is what ``is_fresh`` says of
every second."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.freshness import Change, Checked, checked, down, fresh, paused
from monitor.domain.ring import POSITIONS, slots_of_position, turn_of
from monitor.domain.schedule import Lifetime, Period, Schedule
from monitor.domain.verdict import Verdict, is_fresh
from monitor.domain.windows import Window

T = 1_790_000_040
"""Where a minute, and an interval of 30, 60 or 120 s begins."""
END = T + 7200
EUROPE = (Lifetime("europe", T - 86_400),)
TIMEOUT_S = 7
LIMIT_S = 2 * 60 + TIMEOUT_S + 60
"""For an interval of a minute."""


def _fresh(*periods, missed=(), lifetimes=EUROPE, position=0, settled_s=END):
    website = Checked(position, TIMEOUT_S, settled_s)
    gaps = [Window(*one) for one in missed]
    return [
        (w.since_s - T, w.until_s - T)
        for w in fresh(Schedule(periods, lifetimes), "europe", website, gaps)
    ]


def test_what_was_always_measured_counts_from_its_first_slot_on():
    assert _fresh(Period(T + 10, T + 600, 60)) == [(60, 600)]


def test_a_gap_shorter_than_a_verdict_lasts_is_none():
    assert _fresh(Period(T, T + 600, 60), missed=[(T + 120, T + 240)]) == [(0, 600)]


def test_a_gap_counts_from_where_the_last_verdict_before_it_was_too_old():
    last_s, again_s = 60, 540
    assert _fresh(Period(T, T + 600, 60), missed=[(T + 120, T + again_s)]) == [
        (0, last_s + LIMIT_S + 1), (again_s, 600),
    ]  # fmt: skip


def test_what_is_not_settled_is_not_missed_yet_and_the_last_verdict_ages():
    assert _fresh(Period(T, None, 60), settled_s=T + 121) == [(0, 120 + LIMIT_S + 1)]


def test_a_verdict_does_not_outlive_a_pause():
    periods = [Period(T, T + 61, 60), Period(T + 61, T + 130, None), Period(T + 130, T + 600, 60)]
    assert _fresh(*periods) == [(0, 61), (180, 600)]


def test_a_verdict_does_not_outlive_its_region():
    lifetimes = [Lifetime("europe", T, T + 65), Lifetime("europe", T + 70)]
    assert _fresh(Period(T, T + 600, 60), lifetimes=lifetimes) == [(0, 65), (120, 600)]
    periods = [
        Period(T, T + 65, 60),
        Period(T + 65, T + 130, 60, ("asia",)),
        Period(T + 130, None, 60),
    ]
    assert _fresh(*periods, settled_s=T + 200)[0] == (0, 65)


def test_an_interval_that_is_shortened_makes_older_verdicts_stale():
    # given a check an hour, changed to one a minute whose slots are missed
    periods = [Period(T - 3600, T + 1800, 3600), Period(T + 1800, T + 3600, 60)]
    assert _fresh(*periods, missed=[(T + 1800, T + 3000)], settled_s=END)[-1] == (3000, 3600)
    assert _fresh(*periods, missed=[(T + 1800, T + 3000)])[0][1] == 1800
    # and one that is lengthened lets them count for longer
    periods = [Period(T, T + 60, 60), Period(T + 60, T + 7200, 3600)]
    last_s = 2 * 3600 + TIMEOUT_S + 60
    assert _fresh(*periods, missed=[(T + 120, T + 7200)]) == [(0, min(7200, last_s + 1))]


def test_pauses_and_the_rest_of_a_region():
    periods = [
        Period(T + 0.5, T + 60.7, 60),
        Period(T + 60.7, T + 90.2, None),
        Period(T + 90.2, None, 30),
    ]
    schedule = Schedule(periods, EUROPE)
    assert paused(schedule) == [Window(T + 60, T + 90)]
    first, second = checked(schedule, "europe")
    assert (first, second.since_s) == (Window(T, T + 60), T + 90)
    assert checked(schedule, "asia") == []


def test_a_region_is_down_from_one_change_to_the_next_and_until_it_is_forgotten():
    stretches = [Window(T, T + 100), Window(T + 200, T + 400)]
    changes = [
        Change(T + 50, Verdict.DOWN), Change(T + 220, Verdict.DOWN), Change(T + 260, Verdict.UP),
        Change(T + 300, Verdict.DOWN),
    ]  # fmt: skip
    assert down(changes, stretches) == [
        Window(T + 50, T + 100), Window(T + 220, T + 260), Window(T + 300, T + 400),
    ]  # fmt: skip
    assert down([], stretches) == []
    assert down([Change(T + 500, Verdict.DOWN)], stretches) == []


edges = st.lists(st.floats(0, 5400), max_size=5, unique=True).map(sorted)
intervals = st.none() | st.sampled_from([30, 45, 60, 300])
names = st.sampled_from([None, ("europe",), ("asia",)])


@given(st.integers(0, POSITIONS - 1), edges, st.data())
def test_a_second_counts_where_is_fresh_says_so_of_the_last_slot_that_was_measured(
    position, starts, data
):
    # given a schedule without gaps, and some of its slots missed
    starts = [T, *(T + edge for edge in starts)]
    periods = [
        Period(since, until, data.draw(intervals), data.draw(names))
        for since, until in zip(starts, [*starts[1:], None], strict=True)
    ]
    chance = data.draw(st.randoms(use_true_random=False))
    slots = [
        (slot, period)
        for period in periods
        if period.check_frequency is not None and period.regions != ("asia",)
        for slot in _slots(position, period)
    ]
    missed, since_s = [], None
    measured = []
    failing = False
    for slot, period in slots:
        failing = chance.random() < (0.9 if failing else 0.1)
        if failing:
            since_s = slot if since_s is None else since_s
        else:
            if since_s is not None:
                missed.append((since_s, slot))
            since_s = None
            measured.append((slot, period))
    if since_s is not None:
        missed.append((since_s, END))
    # when
    counted = _fresh(*periods, missed=missed, position=position)
    # then
    expected = [second for second in range(T, END) if _counts(second, periods, measured)]
    assert [
        T + s for since, until in counted for s in range(since, min(until, END - T))
    ] == expected


def _slots(position, period):
    """Those whose turn is in the period."""
    every_s = period.check_frequency
    return [
        slot
        for slot in slots_of_position(position, every_s, T - every_s, END + 120)
        if period.since_s <= turn_of(slot, every_s) < min(period.until_s or END, END)
    ]


def _counts(second, periods, measured):
    """Whether the last measured slot before this second still counted, and was not forgotten."""
    of = next(p for p in reversed(periods) if math.floor(p.since_s) <= second)
    if of.check_frequency is None or of.regions == ("asia",):
        return False
    slots = [(s, p) for s, p in measured if s <= second and math.floor(p.since_s) <= second]
    if not slots:
        return False
    slot_s, made_in = slots[-1]
    between = periods[periods.index(made_in) : periods.index(of) + 1]
    if any(p.check_frequency is None or p.regions == ("asia",) for p in between):
        return False
    return is_fresh(slot_s, of.check_frequency, TIMEOUT_S, second)


@pytest.mark.parametrize("settled_s", [T, T + 60])
def test_nothing_counts_before_the_first_slot_is_settled(settled_s):
    assert _fresh(Period(T, None, 60, ("europe",)), position=POSITIONS - 1, settled_s=T) == []
    assert _fresh(Period(T, None, 60), settled_s=settled_s) == (
        [] if settled_s == T else [(0, LIMIT_S + 1)]
    )


def test_the_slot_of_a_turn_may_lie_in_the_next_period_and_counts_from_then_on():
    # given a change between the turn (of 390) and the second (419) of a slot, and 389 filled
    last = POSITIONS - 1
    periods = [
        Period(T, T + 390.5, 30),
        Period(T + 390.5, T + 391, 30),
        Period(T + 391, None, None),
    ]
    assert _fresh(*periods, position=last) == [(29, 391)]


def test_a_verdict_outlives_a_change_where_its_region_was_removed_once_before():
    lifetimes = [Lifetime("europe", T, T + 100), Lifetime("europe", T + 150)]
    periods = [Period(T, T + 601, 60), Period(T + 601, None, 60)]
    assert _fresh(*periods, lifetimes=lifetimes, settled_s=T + 660) == [
        (0, 100), (180, 600 + LIMIT_S + 1),
    ]  # fmt: skip
