"""Uptimes and strips of lists: from gaps, incidents and periods, without a single check."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.domain.figures import Figures, History, figures
from monitor.domain.schedule import Lifetime, Period, Schedule
from monitor.domain.windows import Window

HOUR_S, DAY_S = 3600, 86_400
NOW_S = 1_790_000_000 // DAY_S * DAY_S + 12 * HOUR_S
"""Noon of a day of UTC."""
FOREVER_S = 2**40
LIMIT_S = 2 * 60 + 10 + 60
"""How long a verdict counts, of an interval of a minute and a time-out of 10 s."""


def _history(*periods, age_s=400 * DAY_S, **fields):
    created_s = NOW_S - age_s
    lifetimes = [Lifetime(region, created_s) for region in ("asia", "europe")]
    schedule = Schedule(periods or [Period(created_s, None, 60, ("europe",))], lifetimes)
    usual = {
        "position": 0, "created_s": created_s, "request_timeout_s": 10, "schedule": schedule,
        "gaps": {}, "incidents": [], "last_s": {"asia": NOW_S - 30, "europe": NOW_S - 30},
        "rolled_up_s": NOW_S - HOUR_S,
    }  # fmt: skip
    return History(**usual | fields)


def _ago(begin_s, end_s):
    return Window(NOW_S - begin_s, NOW_S - end_s)


def test_always_up():
    assert figures(_history(), NOW_S) == Figures(1.0, 1.0, 1.0, "u" * 47 + "-", "u" * 90)


def test_downtimes_count_by_the_second_and_show_where_they_were():
    incidents = [
        _ago(80 * DAY_S, 80 * DAY_S - 10),
        _ago(12 * HOUR_S, 11 * HOUR_S),
        Window(NOW_S - 60, FOREVER_S),
    ]
    shown = figures(_history(incidents=incidents), NOW_S)
    assert shown.uptime_24h == 1 - 3660 / DAY_S
    assert shown.uptime_30d == 1 - 3660 / (30 * DAY_S)
    assert shown.uptime_90d == 1 - 3670 / (90 * DAY_S)
    # The last letter is of the half hour that begins at noon: nothing of it is over.
    assert shown.strip_24h == "u" * 23 + "dd" + "u" * 21 + "p" + "-"
    assert shown.strip_90d == "u" * 9 + "p" + "u" * 79 + "p"


def test_nothing_before_the_creation():
    shown = figures(_history(age_s=3 * HOUR_S), NOW_S)
    assert shown.strip_24h == "-" * 41 + "u" * 6 + "-"
    assert shown.strip_90d == "-" * 89 + "u"
    assert shown.uptime_90d == 1.0


def test_pauses_are_left_out():
    day_ago = NOW_S - DAY_S
    periods = [
        Period(NOW_S - 400 * DAY_S, day_ago, 60, ("europe",)),
        Period(day_ago, day_ago + 12 * HOUR_S, None),
        Period(day_ago + 12 * HOUR_S, None, 60, ("europe",)),
    ]
    incident = _ago(HOUR_S, 0)
    shown = figures(_history(*periods, incidents=[incident]), NOW_S)
    assert shown.uptime_24h == pytest.approx(11 / 12, abs=1e-4)
    assert shown.strip_24h == "z" * 23 + "u" * 22 + "dd" + "-"


def test_a_gap_is_not_measured_from_when_the_last_verdict_was_too_old():
    gap = _ago(12 * HOUR_S, 10 * HOUR_S)
    incident = _ago(11 * HOUR_S, 0)
    shown = figures(_history(gaps={"europe": [gap]}, incidents=[incident]), NOW_S)
    # Of the incident what was measured counts: 10 hours of 22, and as long as a verdict counts.
    down_s, gap_s = 10 * HOUR_S, 2 * HOUR_S - LIMIT_S + 60 - 1
    assert shown.uptime_24h == 1 - down_s / (DAY_S - gap_s)
    assert shown.strip_24h == "u" * 23 + "nnnn" + "d" * 20 + "-"


def test_one_region_that_measured_is_enough():
    everywhere = Period(NOW_S - 400 * DAY_S, None, 60, None)
    one = {"europe": [_ago(DAY_S, HOUR_S)]}
    assert figures(_history(everywhere, gaps=one), NOW_S).strip_24h == "u" * 47 + "-"
    both = one | {"asia": [_ago(3 * HOUR_S, HOUR_S)]}
    assert figures(_history(everywhere, gaps=both), NOW_S).strip_24h == "u" * 41 + "nnnn" + "uu-"


def test_what_is_not_rolled_up_yet_is_told_by_the_last_check():
    measured = _history(last_s={"europe": NOW_S - 1500})
    assert figures(measured, NOW_S).strip_24h == "u" * 46 + "n" + "-"
    # and never before the roll-ups, which know better
    never = _history(last_s={"europe": 0}, rolled_up_s=NOW_S - HOUR_S)
    assert figures(never, NOW_S).strip_24h == "u" * 45 + "nn-"
    # and where nobody can tell, nothing is said against it
    assert figures(_history(last_s={}), NOW_S).strip_24h == "u" * 47 + "-"


def test_the_running_half_hour():
    now_s = NOW_S + 600
    shown = figures(_history(incidents=[Window(now_s - 5, FOREVER_S)],
                             last_s={"europe": now_s - 30}), now_s)  # fmt: skip
    assert shown.strip_24h == "u" * 47 + "p"


def test_nothing_known_is_not_measured():
    nothing = _history(schedule=Schedule([], []))
    assert figures(nothing, NOW_S) == Figures(None, None, None, "n" * 47 + "-", "n" * 90)


def test_before_the_schedule_is_known_nothing_is_guessed():
    upgraded = Period(NOW_S - 2 * DAY_S, None, 60, ("europe",))
    shown = figures(_history(upgraded), NOW_S)
    assert shown.strip_90d == "n" * 88 + "uu"
    assert shown.uptime_90d == 1.0


POSITIONS = st.integers(0, 2**32 - 1)


@given(
    position=POSITIONS,
    every_s=st.sampled_from([30, 60, 90, 180, 3600, 86_400]),
    checked_ago_s=st.integers(0, 90_000),
    begun_ago_s=st.integers(90 * DAY_S - 300, 94 * DAY_S),
    now_s=st.integers(NOW_S, NOW_S + DAY_S),
    regions=st.sampled_from([None, ("europe",), ("asia", "europe")]),
)
def test_the_short_cut_says_what_the_long_way_says(
    position, every_s, checked_ago_s, begun_ago_s, now_s, regions
):
    begun_s, last_s = now_s - begun_ago_s, now_s - checked_ago_s
    history = _history(
        Period(begun_s, None, every_s, regions),
        age_s=NOW_S - begun_s, position=position, last_s={"europe": last_s, "asia": 0},
        rolled_up_s=now_s - now_s % HOUR_S - HOUR_S,
    )  # fmt: skip
    # An incident that ended before the window has no influence but to take the long way.
    long = replace(history, incidents=[Window(0, 1)])
    assert figures(history, now_s) == figures(long, now_s)
