"""Gaps: the slots that were due and not measured, found beside a slow reading of the schedule."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.histogram import Histogram
from monitor.domain.ids import ring_position
from monitor.domain.ring import POSITIONS, turn_of
from monitor.domain.rollup import (
    Gap,
    Rollup,
    day_of_hours,
    decode_gaps,
    encode_gaps,
    gaps_of,
    merged,
    united,
    with_missing,
)
from monitor.domain.schedule import Lifetime, Period, RegionSchedule, Schedule, Span
from monitor.domain.series import DAY_S, HOUR_S

SHOP = UUID("0197a000-0000-7000-8000-00000000000a")
DAY = 1_790_000_000 // DAY_S * DAY_S
HALF = POSITIONS // 2


def _always(every_s, position=HALF):
    schedule = Schedule([Period(0.0, None, every_s, ("europe",))], [])
    return RegionSchedule(schedule, position, "europe")


def _rollup(start_s, checks=20, **fields):
    usual = {"up": checks, "out_of_turn": 0, "expected": 20, "measured": 0, "total_ms": 0.0}
    usual |= {"max_ms": None, "histogram": Histogram()}
    return Rollup(region="europe", start_s=start_s, checks=checks, **usual | fields)


intervals = st.sampled_from([30, 45, 60, 90, 180, 300, 3600, 5400, 86_400])
positions = st.integers(0, POSITIONS - 1)


@st.composite
def schedules(draw):
    """Periods around an hour, some paused, some of all regions, with two lifetimes."""
    edges = sorted(draw(st.lists(st.floats(DAY - 4000, DAY + 8000), max_size=4, unique=True)))
    starts, ends = [DAY - 90_000.0, *edges], [*edges, None]
    chosen = st.sampled_from([None, ("europe",), ()])
    periods = [
        Period(since, until, draw(st.none() | intervals), draw(chosen))
        for since, until in zip(starts, ends, strict=True)
    ]
    removed, again = sorted(draw(st.tuples(*[st.floats(DAY - 4000, DAY + 8000)] * 2)))
    lives = [Lifetime("europe", again), Lifetime("europe", 0.0, removed), Lifetime("asia", 0.0)]
    return RegionSchedule(Schedule(periods, lives), draw(positions), "europe")


def _gaps_of(due, since_s, until_s, filled_s):
    return gaps_of(due, list(due.rows(since_s, until_s)), filled_s)


def _slow_slots(due, since_s, until_s):
    """Second by second."""
    slots = []
    for slot_s in range(since_s, until_s + 60):
        for period in due.schedule.of_region(due.region):
            every_s = period.check_frequency
            if every_s is None or (slot_s - due.position * every_s // POSITIONS) % every_s:
                continue
            turn_s = turn_of(slot_s, every_s)
            ends_s = until_s if period.until_s is None else min(until_s, period.until_s)
            if max(since_s, period.since_s) <= turn_s < ends_s:
                slots.append((turn_s, slot_s))
    return slots


@given(schedules())
def test_slots_are_those_found_second_by_second(due):
    slots = due.slots(DAY, DAY + HOUR_S)
    assert slots == _slow_slots(due, DAY, DAY + HOUR_S)
    assert len(slots) == due.schedule.due(due.position, "europe", Span(DAY, DAY + HOUR_S))


@given(schedules())
def test_a_gap_ends_with_the_next_slot_or_where_the_region_stops(due):
    for turn_s, slot_s in due.slots(DAY, DAY + HOUR_S):
        end_s = due.next_slot_s(slot_s)
        later = [(t, s) for t, s in due.slots(turn_s, DAY + 3 * DAY_S) if s > slot_s]
        pieces = [p for p in due.schedule.of_region("europe") if p.check_frequency is not None]
        stops = slot_s
        for piece in pieces:
            if piece.since_s <= stops and (piece.until_s is None or piece.until_s > stops):
                stops = DAY + 9 * DAY_S if piece.until_s is None else -(-piece.until_s // 1)
        # a slot is due by its turn, and may itself come after the end
        assert end_s == next((s for t, s in later[:1] if t < stops), stops)


@given(schedules(), st.data())
def test_a_check_anywhere_from_turn_to_slot_fills_it(due, data):
    # given
    slots = due.slots(DAY, DAY + HOUR_S)
    measured = data.draw(st.lists(st.booleans(), min_size=len(slots), max_size=len(slots)))
    filled = [
        data.draw(st.integers(turn, slot))
        for (turn, slot), yes in zip(slots, measured, strict=True)
        if yes
    ]
    # when
    gaps = _gaps_of(due, DAY, DAY + HOUR_S, sorted(filled))
    # then: a slot lies in a gap if no check is in its turn
    for turn, slot in slots:
        hit = any(turn <= s <= slot for s in filled)
        inside = any(g.since_s <= slot < g.until_s for g in gaps)
        assert not (hit and inside) or any(g.since_s < slot for g in gaps)
        if not hit and due.next_slot_s(slot) > slot:
            assert inside


def test_an_hour_with_every_slot_measured_has_no_gap():
    due = _always(180)
    assert _gaps_of(due, DAY, DAY + HOUR_S, [s for _, s in due.slots(DAY, DAY + HOUR_S)]) == ()


def test_a_gap_lasts_from_the_first_missed_slot_to_the_next_one():
    # given: slots at 90, 270, ... of which the third and the fourth were missed
    due = _always(180)
    slots = [s - DAY for _, s in due.slots(DAY, DAY + HOUR_S)]
    assert slots[:6] == [90, 270, 450, 630, 810, 990]
    filled = [DAY + s for s in slots if s not in (450, 630)]
    # then
    assert _gaps_of(due, DAY, DAY + HOUR_S, filled) == (Gap(DAY + 450, DAY + 810),)


def test_gaps_of_neighbouring_hours_touch():
    due = _always(180)
    first, second = (_gaps_of(due, DAY + h, DAY + h + HOUR_S, ()) for h in (0, HOUR_S))
    assert united([*second, *first]) == (Gap(DAY + 90, DAY + 2 * HOUR_S + 90),)
    assert first[-1].until_s == second[0].since_s


@given(st.lists(st.tuples(st.integers(0, DAY_S), st.integers(1, DAY_S)), max_size=10))
def test_gaps_round_trip(spans):
    gaps = united(Gap(DAY + since, DAY + since + length) for since, length in spans)
    assert decode_gaps(encode_gaps(gaps, DAY), DAY) == gaps


def test_an_hour_that_was_due_and_has_no_roll_up_is_one_gap():
    due = _always(180)
    rollups = [_rollup(DAY + HOUR_S * n) for n in range(24) if n not in (3, 4)]
    # when
    hours = with_missing(rollups, due, DAY, DAY + DAY_S, HOUR_S)
    day = merged(hours, DAY)
    # then
    assert [h.start_s for h in hours] == [DAY + HOUR_S * n for n in range(24)]
    assert day.gaps == (Gap(DAY + 3 * HOUR_S + 90, DAY + 5 * HOUR_S + 90),)
    assert (day.checks, day.expected) == (440, 480)


def test_an_hour_in_which_nothing_was_due_is_no_gap():
    due = RegionSchedule(Schedule([Period(0.0, None, None)], []), HALF, "europe")
    assert with_missing([], due, DAY, DAY + DAY_S, HOUR_S) == []


def test_what_is_unknown_of_an_hour_is_unknown_of_the_day():
    # given: one hour from before histograms and schedules
    hours = [
        _rollup(DAY, measured=1, max_ms=2.0, total_ms=2.0, histogram=Histogram.of([2.0])),
        _rollup(DAY + HOUR_S, expected=None, measured=1, max_ms=3.0, histogram=None),
    ]
    # when
    day = day_of_hours(hours, DAY, SHOP, None)
    # then
    assert (day.expected, day.gaps, day.histogram) == (None, (), None)
    assert (day.checks, day.max_ms, day.total_ms) == (40, 3.0, 2.0)


def test_an_hour_without_response_times_does_not_hide_the_others():
    hours = [
        _rollup(DAY, measured=1, histogram=Histogram.of([2.0])),
        _rollup(DAY + HOUR_S, measured=0, histogram=None),
    ]
    assert merged(hours, DAY).histogram == Histogram.of([2.0])


def test_a_day_finds_its_missing_hours_by_the_schedule():
    # given: the position is that of the website
    schedule = Schedule([Period(0.0, None, 180, ("europe",))], [])
    due = RegionSchedule(schedule, ring_position(SHOP), "europe")
    hours = [_rollup(DAY + HOUR_S * n) for n in range(23)]
    # when
    day = day_of_hours(hours, DAY, SHOP, schedule)
    # then
    assert day.expected == 480
    assert day.gaps == _gaps_of(due, DAY + 23 * HOUR_S, DAY + DAY_S, ())


@given(schedules())
def test_an_hour_without_a_check_misses_every_slot(due):
    # when
    rollups = with_missing([], due, DAY, DAY + HOUR_S, HOUR_S)
    # then
    slots = due.slots(DAY, DAY + HOUR_S)
    assert [r.expected for r in rollups] == ([len(slots)] if slots else [])
    assert [g for r in rollups for g in r.gaps] == list(_gaps_of(due, DAY, DAY + HOUR_S, ()))


def test_years_without_a_check_are_no_work():
    # when: 60 million slots, more than could be counted one by one
    (all_of_it,) = with_missing([], _always(30), 0, DAY, DAY)
    # then
    assert all_of_it.expected == DAY // 30
    assert all_of_it.gaps == (Gap(15, DAY + 15),)
