"""Whether a transfer is fast enough, by a clock that is turned by hand."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.pace import Pace, TransferRate

RATE = TransferRate(min_bytes=600, window_s=60)


def _moved(pace, now_s, *blocks):
    """Each block: (seconds that the client took, bytes). Returns the time, and None if it was
    too slow."""
    for took_s, size in blocks:
        pace.begin(now_s)
        if took_s > pace.patience_s(now_s):
            return None
        now_s += took_s
        pace.end(now_s, size)
    return now_s


def test_a_byte_every_five_seconds_is_too_slow_after_a_minute():
    pace, now_s = Pace(RATE), 1000.0
    for _ in range(11):
        now_s = _moved(pace, now_s, (5, 1))
    pace.begin(now_s)
    assert pace.patience_s(now_s) == 5
    assert not pace.is_too_slow(now_s + 4.9)
    assert pace.is_too_slow(now_s + 5)


def test_the_rate_is_enough_minute_by_minute():
    assert _moved(Pace(RATE), 0.0, *[(1, 10)] * 600) == 600


def test_a_burst_buys_the_rest_of_its_window_and_the_next_one_and_no_more():
    pace = Pace(RATE)
    now_s = _moved(pace, 0.0, (10, 1_000_000))
    pace.begin(now_s)
    assert pace.patience_s(now_s) == 110


def test_time_in_which_the_client_has_nothing_to_do_does_not_count():
    pace = Pace(RATE)
    now_s = _moved(pace, 0.0, (20, 10))
    # when an hour passes in which we work
    now_s += 3600
    # then 40 s are left
    assert pace.patience_s(now_s) == 40
    assert not pace.is_too_slow(now_s)
    pace.begin(now_s)
    assert pace.is_too_slow(now_s + 40)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 2000)), max_size=40))
def test_patience_lasts_two_windows_at_most(blocks):
    pace, now_s = Pace(RATE), 0.0
    for block in blocks:
        assert 0 <= pace.patience_s(now_s) <= 2 * RATE.window_s
        now_s = _moved(pace, now_s, block)
        if now_s is None:
            return


def test_a_rate_says_itself():
    assert str(TransferRate()) == "60 KiB in 60 s"
