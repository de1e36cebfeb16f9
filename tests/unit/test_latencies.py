"""A sliding window of response times is, after every step, the histogram of what is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.histogram import Histogram
from monitor.domain.latencies import Latencies

hours = st.lists(st.lists(st.integers(0, 60_000_000).map(lambda us: us / 1000), max_size=30))


@given(hours, st.integers(1, 5), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_hours_come_and_go(hours, width, q):
    window = Latencies()
    for number, values in enumerate(hours):
        window.add(Histogram.of(values))
        if number >= width:
            window.remove(Histogram.of(hours[number - width]))
        window = Latencies.decode(window.encode())
        # then
        inside = [v for values in hours[max(0, number + 1 - width) : number + 1] for v in values]
        exact = Histogram.of(inside)
        assert window.quantile(q) == exact.quantile(q)
        assert window.encode() == Latencies.of(exact).encode()


def test_nothing_takes_no_room():
    window = Latencies.of(Histogram.of([1.0, 20.0]))
    window.remove(Histogram.of([20.0, 1.0]))
    assert window.encode() == Latencies().encode() == b""
    assert Latencies.decode(b"").quantile(0.95) is None


@pytest.mark.parametrize("count", [255, 256, 65_535, 65_536, 2**32 - 1])
def test_counts_of_every_size(count):
    many = Histogram.of_counts({7: count, 9: 1})
    assert Latencies.decode(Latencies.of(many).encode()).encode() == Latencies.of(many).encode()
    assert Latencies.of(many).quantile(0.5) == many.quantile(0.5)


@pytest.mark.parametrize("values", [[500.0], [1.0, 1.0], [0.01], [60_000.0]])
def test_what_was_never_added_cannot_be_taken_away(values):
    window = Latencies.of(Histogram.of([1.0, 400.0, 600.0]))
    with pytest.raises(ValueError, match="not so many"):
        window.remove(Histogram.of(values))


@pytest.mark.parametrize("encoded", [b"\0", b"\0\0x\1", b"\0\0\xff\1", b"\0\0H\1"])
def test_what_is_no_row_of_counts_is_refused(encoded):
    with pytest.raises(ValueError, match=r"short|type|item"):
        Latencies.decode(encoded)
