"""A bucket that fills evenly: bursts up to the limit, and the limit over any longer time."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain import rate
from monitor.domain.rate import PERIOD_S, acquire

LIMITS = st.integers(1, 1000)


def _times(limit, at):
    """What becomes of one time at each of these seconds."""
    full, found = 0.0, []
    for now in at:
        one, full = acquire(limit, full, now)
        found.append(one)
    return found


@given(LIMITS)
def test_burst_is_limited_to_the_full_limit(limit):
    found = _times(min(limit, 500), [1000.0] * (min(limit, 500) + 1))
    assert [s.allowed for s in found] == [True] * (len(found) - 1) + [False]
    assert [s.remaining for s in found] == [*range(len(found) - 2, -1, -1), 0]


@given(LIMITS, st.lists(st.floats(0, 5, allow_nan=False), max_size=200))
def test_no_span_allows_more_than_the_limit_and_its_refill(limit, gaps):
    now, at = 0.0, []
    for gap in gaps:
        now += gap
        at.append(now)
    allowed = [t for t, s in zip(at, _times(limit, at), strict=True) if s.allowed]
    for first, begin in enumerate(allowed):
        for number, end in enumerate(allowed[first:], 1):
            assert number <= limit + (end - begin) * limit / PERIOD_S + 1 + 0.01


@given(LIMITS, st.floats(0, 1e6))
def test_a_caller_that_waits_as_told_is_allowed(limit, now):
    full = 0.0
    while True:
        found, full = acquire(limit, full, now)
        if not found.allowed or found.remaining == 0:
            break
    full = max(full, now)
    refused, full = acquire(limit, full, now)
    assert not refused.allowed
    assert 0 < refused.next_in_s <= PERIOD_S / limit * 1.01
    assert acquire(limit, full, now + refused.next_in_s + 1e-5)[0].allowed


def test_the_headers_state_the_limit():
    found = _times(60, [0.0])[0]
    assert rate.headers(60, found) == {
        "RateLimit-Policy": '"key";q=60;w=60',
        "RateLimit": '"key";r=59;t=1',
    }
