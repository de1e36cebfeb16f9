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
    slots_of_position,
    turn_of,
    turns_before,
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


@given(intervals, minutes, st.integers(0, POSITIONS - 1))
def test_the_slots_of_a_position_are_those_of_its_arcs(interval, start, position):
    # when both are asked for three intervals
    end = start + 3 * interval
    slots = slots_of_position(position, interval, start, end)
    # then
    assert len(slots) == 3
    for slot in slots:
        (arc,) = arcs_of_window(interval, slot, slot + 1)
        assert arc.lo <= position < arc.hi


@given(intervals, minutes, st.integers(0, POSITIONS - 1), st.integers(1, 30))
def test_a_slots_turn_is_when_its_arc_is_due(interval, start, position, count):
    # given so many minutes, dispatched one by one
    dispatched = [
        (arc, batches_of_arc(arc, interval, 20_000, 500))
        for n in range(count)
        for arc in arcs_of_window(interval, start + 60 * n, start + 60 * n + 60)
        if arc.lo <= position < arc.hi
    ]
    # then
    slots = slots_of_position(position, interval, start, start + 60 * count)
    turns = [turn_of(slot, interval) for slot in slots]
    assert [arc.slot_ms // 1000 for arc, _ in dispatched] == turns
    # and so it is of the part with the position, however the arc is split
    for (_, parts), turn, slot in zip(dispatched, turns, slots, strict=True):
        (own,) = [part for part in parts if part.lo <= position < part.hi]
        assert turn <= own.slot_ms // 1000 <= slot
        assert turn_of(own.slot_ms // 1000, interval) == turn


@given(intervals, st.integers(0, POSITIONS - 1), st.integers(1_700_000_000, 1_700_100_000))
def test_turns_are_counted_as_they_pass(interval, position, start):
    slots = slots_of_position(position, interval, start, start + 3 * interval)
    for slot in slots:
        turn = turn_of(slot, interval)
        before, after = (turns_before(position, interval, at) for at in (turn, turn + 1))
        assert after == before + 1
        assert turns_before(position, interval, turn + interval - 60) <= after + 1
    first, _, last = (turns_before(position, interval, turn_of(s, interval)) for s in slots)
    assert last == first + 2


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
