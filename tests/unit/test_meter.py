"""What a worker counts: the buckets of many values at once are those of one after another."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.outcome import Reason, Result, Timings
from monitor.metrics.prometheus import histogram
from monitor.metrics.worker_stats import Meter, Tally
from support.factories import outcome_down, outcome_up

EDGES = (0.01, 0.1, 1.0)


@given(st.lists(st.sampled_from([0.0, 9.9, 10.0, 10.1, 100.0, 999.0, 1000.0, 1001.0, 1e6])))
def test_many_at_once_are_counted_as_one_by_one(values_ms):
    at_once, singly = Tally(EDGES), Tally(EDGES)
    at_once.observe_all(values_ms, 0.001)
    for value in values_ms:
        singly.observe(value / 1000)
    assert at_once.counts == singly.counts
    assert abs(at_once.total - singly.total) < 1e-6


def test_a_bucket_holds_its_edge_and_all_below():
    tally = Tally(EDGES)
    tally.observe_all([0.005, 0.1, 0.1, 2.0])
    buckets = {
        s.labels["le"]: s.value
        for s in histogram("x", "x", ("region", "r"), tally).samples
        if s.name == "x_bucket"
    }
    assert buckets == {"0.01": 1, "0.1": 3, "1.0": 3, "+Inf": 4}


def test_outcomes_are_counted_by_result_and_reason_and_failures_take_time_too():
    meter = Meter()
    refused = outcome_down(Reason.CONNECT_TIMEOUT, timings=Timings(connect_ms=3000.0))
    up = outcome_up(response_ms=20.0)
    # when
    meter.settled([up, up, refused], 1, 2.5)
    # then
    assert meter.outcomes == {
        (Result.UP, None): 2,
        (Result.DOWN, Reason.CONNECT_TIMEOUT): 1,
    }
    assert (meter.checks, meter.flips) == (3, 1)
    assert round(meter.check_s.total, 6) == 3.04
    assert (sum(meter.lag_s.counts), meter.lag_s.total) == (1, 2.5)
