"""Outages that came and went unrecorded are told by what is reported of their end."""

import pytest

from monitor.domain.backfill import Recorded, missing_down_flips, replay_rounds
from monitor.domain.outcome import Reason
from monitor.domain.verdict import Outage, RegionState, Verdict, decide, flip_of
from support.factories import BLOG, SHOP, flip_down, flip_up, outcome_503, outcome_up


def _up(at_s, since_s, region="europe"):
    ended = Outage(since_s, Reason.HTTP_STATUS, 503)
    return flip_up(at_s=at_s, region=region, ended=ended)


def test_a_recovery_reports_the_outage_that_it_ends():
    # given
    fails = outcome_503()
    state = RegionState()
    for slot_s in (100, 115):
        state = decide(state, fails, slot_s).state
    # when
    up = outcome_up()
    decision = decide(state, up, 190)
    # then
    assert flip_of(SHOP, "europe", decision, up).ended == Outage(100, Reason.HTTP_STATUS, 503)
    # and a first verdict up ends none
    assert decide(RegionState(), up, 190).ended is None


@pytest.mark.parametrize(
    ("held", "resolved_s", "backfilled"),
    [
        (None, 0, True),
        (Recorded(Verdict.UP, 50), 50, True),
        (Recorded(Verdict.DOWN, 115), 0, False),  # its beginning is recorded
        (Recorded(Verdict.UP, 190), 0, False),  # its end, too
        (Recorded(Verdict.UP, 500), 0, False),  # and a later one
        (None, 150, False),  # it was paused meanwhile
    ],
)
def test_an_unrecorded_outage_is_backfilled(held, resolved_s, backfilled):
    recorded = {} if held is None else {("europe", SHOP): held}
    found = missing_down_flips([_up(190, 100)], recorded, {SHOP: resolved_s})
    assert bool(found) is backfilled
    for flip in found:
        assert (flip.verdict, flip.at_s, flip.reason, flip.status_code) == (
            Verdict.DOWN, 100, Reason.HTTP_STATUS, 503,
        )  # fmt: skip
        assert 50 < flip.slot_s < 190


def test_each_websites_flips_are_replayed_in_order():
    # given two regions that saw the outage of one website, and one flip of another
    flips = [_up(190, 100), _up(200, 110, region="asia"), flip_down(BLOG, 150)]
    backfilled = missing_down_flips(flips, {}, {})
    # when
    rounds = replay_rounds(flips, backfilled)
    # then
    shop = [[(f.verdict, f.at_s) for f in each if f.website_id == SHOP] for each in rounds]
    assert shop == [
        [(Verdict.DOWN, 100)], [(Verdict.DOWN, 110)], [(Verdict.UP, 190)], [(Verdict.UP, 200)],
    ]  # fmt: skip
    assert [f for each in rounds for f in each if f.website_id == BLOG] == [flip_down(BLOG, 150)]


def test_a_reported_flip_replaces_the_backfilled_one():
    flips = [_up(190, 100), flip_down(at_s=100)]
    rounds = replay_rounds(flips, missing_down_flips(flips, {}, {}))
    assert rounds == [[flip_down(at_s=100)], [_up(190, 100)]]
