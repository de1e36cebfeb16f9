"""Rings: every website is due exactly once an interval, whoever asks in whatever windows."""

import uuid
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.ids import ring_position
from monitor.domain.ring import (
    POSITIONS,
    arcs_of_window,
    batches_of_arc,
    missed_window,
    turns_before,
    turns_of_position,
)

intervals = st.integers(30, 86_400)
minutes = st.integers(1_700_000_000 // 60, 1_900_000_000 // 60).map(lambda m: m * 60)


@given(intervals, minutes, st.integers(0, POSITIONS - 1))
def test_a_position_is_due_once_in_each_interval(interval, start, position):
    # given the consecutive minutes that cover exactly three intervals' worth of minutes
    span = 3 * interval * 60
    # when
    due = [
        arc.slot_ms
        for arc in arcs_of_window(interval, start, start + span)
        if arc.lo <= position < arc.hi
    ]
    # then
    assert len(due) == span // interval


@given(intervals, minutes)
def test_consecutive_windows_have_no_overlaps_or_gaps(interval, start):
    # when the same two minutes are asked for at once and one by one
    both = list(arcs_of_window(interval, start, start + 120))
    first = list(arcs_of_window(interval, start, start + 60))
    second = list(arcs_of_window(interval, start + 60, start + 120))
    # then they cover the same positions
    covered = sum(a.hi - a.lo for a in first + second)
    assert covered == sum(a.hi - a.lo for a in both)
    for earlier, later in pairwise(first + second):
        assert later.lo == (earlier.hi % POSITIONS)


@given(intervals, minutes)
def test_a_slot_lies_in_its_window(interval, start):
    for arc in arcs_of_window(interval, start, start + 60):
        assert start * 1000 <= arc.slot_ms < (start + 60) * 1000


@given(intervals, minutes, st.integers(0, 50_000), st.integers(50, 1000))
def test_batches_cut_an_arc_without_gap_and_spread_over_its_time(interval, start, websites, size):
    # given
    arc = next(iter(arcs_of_window(interval, start, start + 60)))
    # when
    batches = batches_of_arc(arc, interval, websites, size)
    # then
    assert len(batches) == -(-websites // size)
    if batches:
        assert batches[0].lo == arc.lo
        assert batches[-1].hi == arc.hi
        assert batches[0].slot_ms == arc.slot_ms
    for earlier, later in pairwise(batches):
        assert earlier.hi == later.lo
        assert earlier.slot_ms <= later.slot_ms < (start + 60) * 1000


def test_positions_are_spread_evenly():
    quarters = [0] * 4
    for n in range(20_000):
        quarters[ring_position(uuid.UUID(int=n)) * 4 // POSITIONS] += 1
    assert all(4_800 < q < 5_200 for q in quarters)


@given(intervals, minutes, st.integers(0, POSITIONS - 1), st.integers(1, 30))
def test_the_turns_of_a_position_are_those_of_its_arcs(interval, start, position, count):
    # given so many minutes, dispatched one by one
    dispatched = [
        (start + 60 * n, arc)
        for n in range(count)
        for arc in arcs_of_window(interval, start + 60 * n, start + 60 * n + 60)
        if arc.lo <= position < arc.hi
    ]
    # then there is a turn for each arc that has the position, and that is when the arc is due
    turns = turns_of_position(position, interval, start, start + 60 * count)
    assert [arc.slot_ms // 1000 for _, arc in dispatched] == turns
    # and however the arc is split, the part with the position has the minute of the turn
    for (minute, arc), turn in zip(dispatched, turns, strict=True):
        (part,) = [b for b in batches_of_arc(arc, interval, 20_000, 500) if b.lo <= position < b.hi]
        assert minute <= turn <= part.slot_ms / 1000 < minute + 60


@given(
    intervals,
    st.integers(0, POSITIONS - 1),
    st.integers(1_700_000_000, 1_700_100_000),
    st.integers(0, 5000),
    st.integers(0, 5000),
)
def test_turns_are_neither_lost_nor_doubled_where_time_is_cut(interval, position, start, one, two):
    middle, end = start + one, start + one + two
    whole = turns_of_position(position, interval, start, end)
    parts = turns_of_position(position, interval, start, middle)
    parts += turns_of_position(position, interval, middle, end)
    assert parts == whole
    assert all(start <= turn < end for turn in whole)
    assert len(whole) == turns_before(position, interval, end) - turns_before(
        position, interval, start
    )


@pytest.mark.parametrize(
    ("last_s", "since_s"),
    [
        (None, 600_000),  # nothing is known of before
        (599_940, 600_000),
        (599_880, 599_940),
        (599_400, 599_460),
        (0, 600_000 - 86_400),  # a day is enough
        (600_000, 600_000),
        (603_600, 600_000),  # a clock was wrong
    ],
)
def test_missed_slots_end_where_this_minute_begins(last_s, since_s):
    assert missed_window(last_s, 600_000) == (since_s, 600_000)
