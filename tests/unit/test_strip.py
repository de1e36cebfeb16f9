"""Strips: letters of half hours and days, against a second look at every single second."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.availability import Interval, State
from monitor.domain.strip import Cells, strip

WIDTH_S = 60
CELLS = Cells(600, WIDTH_S, 5)
UP, DOWN, NOT_MEASURED, EXCLUDED = State.UP, State.DOWN, State.NOT_MEASURED, State.EXCLUDED


def _strip(*lengths):
    """Of these classes, each for so many seconds, from the first cell on."""
    parts, at = [], CELLS.since_s
    for state, length_s in lengths:
        if state is not None:
            parts.append(Interval(at, at + length_s, state))
        at += length_s
    return strip(parts, CELLS)


def test_one_class_fills_all_its_cells():
    assert _strip((UP, 300)) == "uuuuu"
    assert _strip((UP, 120), (DOWN, 60), (NOT_MEASURED, 60), (EXCLUDED, 60)) == "uudnz"


def test_before_the_creation_and_after_now_there_is_nothing():
    assert _strip((None, 130), (UP, 60)) == "--uu-"
    assert _strip() == "-----"


def test_any_second_of_down_shows():
    assert _strip((UP, 59), (DOWN, 1), (UP, 240)) == "puuuu"
    assert _strip((UP, 60), (DOWN, 61), (UP, 179)) == "udpuu"
    assert _strip((NOT_MEASURED, 59), (DOWN, 1), (UP, 240)) == "puuuu"


def test_down_for_all_that_counts_is_down():
    assert _strip((EXCLUDED, 50), (DOWN, 10), (UP, 240)) == "duuuu"
    assert _strip((DOWN, 5)) == "d----"


def test_else_what_lasted_longest_shows_and_of_equals_what_is_worse():
    assert _strip((UP, 31), (NOT_MEASURED, 29), (UP, 240)) == "uuuuu"
    assert _strip((UP, 30), (NOT_MEASURED, 30), (UP, 240)) == "nuuuu"
    assert _strip((UP, 30), (EXCLUDED, 30), (UP, 240)) == "zuuuu"
    assert _strip((UP, 20), (NOT_MEASURED, 20), (EXCLUDED, 20), (UP, 240)) == "nuuuu"


def test_the_last_half_hour_and_the_last_day_are_those_that_run():
    noon_s = 1_790_000_000 // 86_400 * 86_400 + 43_200
    assert Cells.of_day(noon_s) == Cells(noon_s + 1800 - 86_400, 1800, 48)
    assert Cells.of_day(noon_s + 1799) == Cells.of_day(noon_s)
    assert Cells.of_quarter(noon_s) == Cells(noon_s - 43_200 - 89 * 86_400, 86_400, 90)


@given(
    st.lists(st.tuples(st.sampled_from(State), st.integers(1, 150)), max_size=12),
    st.integers(-200, 200),
)
def test_every_second_is_counted_in_its_cell(lengths, shift_s):
    # given
    parts, at = [], CELLS.since_s + shift_s
    seconds = {}
    for state, length_s in lengths:
        parts.append(Interval(at, at + length_s, state))
        seconds |= dict.fromkeys(range(at, at + length_s), state)
        at += length_s
    # when
    letters = strip(parts, CELLS)
    # then
    for number, letter in enumerate(letters):
        start = CELLS.since_s + number * WIDTH_S
        own = [seconds[s] for s in range(start, start + WIDTH_S) if s in seconds]
        assert letter == _slow_letter(own), (number, letters)


def _slow_letter(states):
    if not states:
        return "-"
    if DOWN in states:
        return "d" if all(s in (DOWN, EXCLUDED) for s in states) else "p"
    longest = max(states.count(s) for s in State)
    for state, letter in ((NOT_MEASURED, "n"), (EXCLUDED, "z"), (UP, "u")):
        if states.count(state) == longest:
            return letter
    raise AssertionError
