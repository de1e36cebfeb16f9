"""What a region holds: two consecutive failures make down, one success makes up."""

from itertools import pairwise
from uuid import UUID

import pytest

from monitor.domain.outcome import Outcome, Reason, Result
from monitor.domain.verdict import (
    CLOCKS_APART_S,
    Flip,
    RegionState,
    Verdict,
    decide,
    flip_of,
    is_due,
    is_fresh,
    is_in_doubt,
    seen_at,
)
from support.factories import outcome_down, outcome_up

UP = outcome_up(response_ms=12.5)
DOWN = outcome_down(evidence="connection refused")
NOTHING = Outcome(Result.NOT_MEASURED, Reason.REGION_OFFLINE)


def _run(*outcomes, start=1000, step=60):
    state, decisions = RegionState(), []
    for n, outcome in enumerate(outcomes):
        decision = decide(state, outcome, start + n * step)
        decisions.append(decision)
        state = decision.state if decision else state
    return state, decisions


def test_the_first_success_is_up_without_a_report():
    state, (decision,) = _run(UP)
    assert state.verdict is Verdict.UP
    assert not decision.report
    assert state.since_s == 1000


def test_one_failure_is_rechecked_and_decides_nothing():
    state, (_, second) = _run(UP, DOWN)
    assert state.verdict is Verdict.UP
    assert second.recheck
    assert not second.report


def test_two_failures_in_a_row_are_down_since_the_first():
    state, (_, _, third) = _run(UP, DOWN, DOWN)
    assert state.verdict is Verdict.DOWN
    assert state.since_s == 1060
    assert third.report
    assert not third.recheck


def test_failures_in_quick_succession_wait_for_the_recheck():
    # given a slot that comes 8 s after the first failure
    state, (_, _, third) = _run(UP, DOWN, DOWN, step=8)
    assert state.verdict is Verdict.UP
    assert not third.report
    assert third.recheck  # the one that the first asked for may come too late to be stored
    # when that early check fails too
    confirmed = decide(state, DOWN, 1008 + 15)
    assert confirmed.state.verdict is Verdict.DOWN
    assert confirmed.state.since_s == 1008
    assert confirmed.report


def test_slots_checked_together_after_a_stall_confirm_nothing():
    # given a check that was made 28 s late, and the next one in its own slot
    assert seen_at(1000, 1005.9) == 1005
    late = decide(RegionState(), DOWN, 1000, seen_at(1000, 1028))
    # when
    next_one = decide(late.state, DOWN, 1030, seen_at(1030, 1031))
    # then both saw the same blip
    assert next_one.state.verdict is Verdict.UNKNOWN
    assert next_one.recheck
    # and what fails 15 s later is down, since it was first seen to be
    confirmed = decide(next_one.state, DOWN, 1045, seen_at(1045, 1045))
    assert confirmed.state.verdict is Verdict.DOWN
    assert confirmed.state.since_s == 1028


def test_a_check_on_time_counts_at_its_slot():
    assert [seen_at(1000, 1000 + late_s) for late_s in (0, 0.9, 5)] == [1000] * 3


def test_a_success_between_two_failures_resets_the_count():
    state, decisions = _run(UP, DOWN, UP, DOWN)
    assert state.verdict is Verdict.UP
    assert decisions[-1].recheck
    assert not any(d.report for d in decisions)


def test_one_success_is_up_again():
    state, decisions = _run(DOWN, DOWN, UP)
    assert state.verdict is Verdict.UP
    assert decisions[-1].report
    assert state.since_s == 1120
    assert state.failures == 0


def test_a_website_that_was_never_up_can_be_down():
    state, (_, second) = _run(DOWN, DOWN)
    assert state.verdict is Verdict.DOWN
    assert second.report


def test_what_was_not_measured_changes_nothing():
    state, decisions = _run(UP, DOWN, NOTHING, DOWN)
    assert decisions[2] is None
    assert state.verdict is Verdict.DOWN
    assert state.since_s == 1060


def test_a_slot_that_is_not_newer_changes_nothing():
    before = RegionState(slot_s=2000, verdict=Verdict.UP, since_s=1000)
    assert decide(before, DOWN, 2000) is None
    assert decide(before, DOWN, 1999) is None
    assert decide(before, DOWN, 2001) is not None


def test_a_lasting_failure_is_reported_repeatedly():
    _, decisions = _run(*[DOWN] * 40)
    assert [n for n, d in enumerate(decisions, start=1) if d.report] == [2, 4, 8, 16, 32]


def test_an_endless_failure_is_reported_at_least_every_64_checks():
    state, decisions = _run(*[DOWN] * 2000)
    told = [n for n, d in enumerate(decisions, start=1) if d.report]
    assert told == [2, 4, 8, 16, 32, *range(64, 2001, 64)]
    assert max(b - a for a, b in pairwise([*told, 2001])) == 64
    # the count fits its byte, and no failure of many is taken for the first
    assert all(d.state.failures <= 255 for d in decisions)
    assert [n for n, d in enumerate(decisions, start=1) if d.state.failures == 1] == [1]
    assert state.since_s == 1000


def test_a_flip_has_its_start_and_reason():
    _, decisions = _run(UP, DOWN, DOWN)
    website = UUID(int=7)
    flip = flip_of(website, "europe", decisions[-1], DOWN)
    assert flip == Flip(
        website, "europe", Verdict.DOWN, 1060, 1120, Reason.CONNECTION_REFUSED, 0, DOWN.evidence
    )


@pytest.mark.parametrize(
    ("age", "fresh"), [(0, True), (2 * 180 + 15 + 60, True), (2 * 180 + 15 + 61, False)]
)
def test_a_verdict_is_fresh_for_about_two_intervals(age, fresh):
    assert is_fresh(1000, 180, 15, 1000 + age) is fresh


@pytest.mark.parametrize(
    ("state", "in_doubt"),
    [
        (RegionState(), True),
        (RegionState(slot_s=9, verdict=Verdict.UP), False),
        (RegionState(slot_s=9, verdict=Verdict.UP, failures=1), True),
        (RegionState(slot_s=9, verdict=Verdict.DOWN, failures=2), True),
    ],
)
def test_a_website_is_in_doubt_until_it_was_up(state, in_doubt):
    assert is_in_doubt(state) is in_doubt


def test_a_verdict_never_made_is_not_fresh():
    assert not is_fresh(0, 180, 15, 10)


@pytest.mark.parametrize("outcome", [UP, DOWN])
def test_a_state_from_a_clock_ahead_is_not_a_later_check(outcome):
    # given a state that is an hour ahead of the slot and of the time it is
    ahead = RegionState(
        slot_s=4600, verdict=Verdict.DOWN, since_s=4500, failures=3, first_failure_s=4500
    )
    assert is_due(ahead, 1000, now_s=1001)
    # when
    decision = decide(ahead, outcome, 1000, seen_s=1001)
    # then
    assert decision.state.slot_s == 1000
    assert decision.report  # a change, or once more: what was recorded is dated ahead, too
    assert not is_fresh(ahead.slot_s, 180, 15, 1001)


def test_a_first_failure_dated_ahead_is_confirmed_normally():
    ahead = RegionState(slot_s=4600, verdict=Verdict.UP, failures=1, first_failure_s=4600)
    first = decide(ahead, DOWN, 1000)
    assert (first.state.verdict, first.recheck) == (Verdict.UP, True)
    assert decide(first.state, DOWN, 1015).state.verdict is Verdict.DOWN


def test_a_later_check_within_the_clock_skew_counts():
    before = RegionState(slot_s=1000 + CLOCKS_APART_S, verdict=Verdict.UP)
    assert not is_due(before, 1000, now_s=1000)
    assert decide(before, DOWN, 1000) is None
    # as does one that was really made later, while this one waited
    assert decide(RegionState(slot_s=9000), DOWN, 1000, seen_s=9001) is None
