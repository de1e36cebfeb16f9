"""From what a window is read, and what is made of it."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.availability import Incidents, Seconds
from monitor.domain.histogram import Histogram
from monitor.domain.report import Figures, Kept, Pieces, Responses, pieces, total
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.windows import Window

T = 1_790_000_000 // DAY_S * DAY_S
"""Where a day begins."""
NOW = T + 40 * DAY_S + 5 * HOUR_S + 1200
KEPT = Kept(
    hours_from_s=NOW - 30 * DAY_S, hours_until_s=T + 40 * DAY_S + 4 * HOUR_S,
    days=Window(T - 9 * DAY_S, T + 40 * DAY_S),
)  # fmt: skip


def _parts(read):
    return read.hours_before, read.days, read.hours, read.ticks


seconds = st.integers(T, NOW)


@given(
    st.tuples(seconds, seconds).filter(lambda s: s[0] < s[1]).map(sorted),
    seconds, st.integers(0, 60 * 24), st.integers(0, 3), st.integers(0, 50),
)  # fmt: skip
def test_the_parts_cover_the_window_once_and_are_read_from_where_they_are(
    edges, hours_from_s, hours_behind, days_behind, days_done
):
    # given any state of the roll-ups
    window = Window(*edges)
    hours_until_s = (NOW // HOUR_S - hours_behind) * HOUR_S
    days_until_s = (hours_until_s // DAY_S - days_behind) * DAY_S
    done = Window(days_until_s - days_done * DAY_S, days_until_s)
    # when
    read = pieces(window, Kept(hours_from_s, hours_until_s, done))
    # then each part begins where the one before it ends
    before, days, hours, ticks = _parts(read)
    assert before.until_s == days.since_s
    assert days.until_s == hours.since_s
    assert hours.until_s == ticks.since_s
    assert all(p.since_s <= p.until_s for p in _parts(read))
    assert read.window.since_s <= window.since_s
    assert read.window.until_s >= window.until_s
    assert window.since_s - read.window.since_s < DAY_S
    assert read.window.until_s - window.until_s < DAY_S
    # and holds whole days or hours that are rolled up
    assert days.since_s == days.until_s or days.since_s % DAY_S == days.until_s % DAY_S == 0
    assert days.since_s == days.until_s or (
        done.since_s <= days.since_s and days.until_s <= done.until_s
    )
    for part in (before, hours):
        if part.length_s:
            assert part.since_s % HOUR_S == part.until_s % HOUR_S == 0
            assert part.until_s <= max(hours_until_s, days_until_s)
    assert not ticks.length_s or ticks.since_s >= min(hours_until_s, read.window.since_s)


def test_a_month_is_days_with_hours_at_its_edges_and_ticks_of_the_last_hour():
    read = pieces(Window(NOW - 29 * DAY_S, NOW), KEPT)
    begin_s = T + 11 * DAY_S
    assert read == Pieces(
        Window(begin_s + 5 * HOUR_S, begin_s + DAY_S),
        Window(begin_s + DAY_S, T + 40 * DAY_S),
        Window(T + 40 * DAY_S, T + 40 * DAY_S + 4 * HOUR_S),
        Window(T + 40 * DAY_S + 4 * HOUR_S, NOW),
    )


def test_what_is_older_than_histograms_of_hours_is_read_by_days():
    read = pieces(Window(T + 7, T + 3 * DAY_S + 7), KEPT)
    assert read.days == read.window == Window(T, T + 4 * DAY_S)


def test_hours_that_are_not_rolled_up_are_ticks():
    read = pieces(Window(T + 10, T + DAY_S), Kept(T, 0, Window(0, 0)))
    assert read.ticks == read.window == Window(T, T + DAY_S)


def _responses(*values_ms):
    histogram = Histogram.of(values_ms)
    return Responses(
        Window(0, 1), 2 * len(values_ms), len(values_ms), sum(values_ms), max(values_ms), histogram
    )


def test_totals_add_seconds_and_merge_response_times():
    one = Figures(Seconds(100, 20, 3, 4), Incidents(2, 20, 15), _responses(10.0, 20.0))
    other = Figures(Seconds(1, 0, 5, 0), Incidents(), _responses(1000.0))
    both = total([one, other], Window(0, 9))
    assert both.seconds == Seconds(101, 20, 8, 4)
    assert both.incidents == Incidents(2, 20, 15)
    assert (both.responses.checks, both.responses.max_ms) == (6, 1000.0)
    assert both.responses.mean_ms == 1030 / 3
    assert 980 < both.responses.quantiles_ms()[-1] < 1020


def test_what_was_not_kept_of_one_is_not_known_of_all():
    gone = Responses(Window(0, 1), 5, 5, 50.0, 10.0, None)
    merged = Responses.merged(Window(0, 9), [gone, _responses(1.0)])
    assert merged.quantiles_ms() == (None,) * 5
    assert merged.mean_ms == 51 / 6
    # but for one without response times
    empty = Responses(Window(0, 1), 5, 0, 0.0, None, None)
    assert Responses.merged(Window(0, 9), [empty, _responses(1.0)]).quantiles_ms()[0] is not None


def test_exact_response_times_are_those_at_the_rank():
    exact = Responses.exact(Window(0, 1), 20, [float(n) for n in range(19, 0, -1)])
    assert exact.quantiles_ms() == (10.0, 14.0, 17.0, 18.0, 19.0)
    assert (exact.checks, exact.mean_ms, exact.max_ms) == (20, 10.0, 19.0)
    assert Responses.exact(Window(0, 1), 3, []).quantiles_ms() == (None,) * 5
