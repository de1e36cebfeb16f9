"""The stopwatch of a check."""

from __future__ import annotations

import pytest

from monitor.domain.outcome import Timings
from monitor.probes.net import phases
from monitor.probes.net.phases import Phase, Progress
from monitor.probes.net.resolver import interleaved


def test_time_is_added_to_the_phase_that_ends_and_summed_over_hops(monkeypatch):
    clock = iter([100.0, 101.0, 103.0, 107.0, 115.0, 131.0])
    monkeypatch.setattr(phases, "perf_counter", lambda: next(clock))

    progress = Progress(0)
    for phase in (Phase.DNS, Phase.CONNECT, Phase.WAIT, Phase.CONNECT):
        progress.enter(phase)

    # idle 1, DNS 2, connect 4, wait 8, connect 16
    assert progress.stop() == Timings(dns_ms=2000, connect_ms=20_000, wait_ms=8000)


def test_a_discarded_attempt_leaves_no_trace_but_a_later_deadline(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 10.0, 20.0, 40.0, 40.5, 41.0, 43.0])
    monkeypatch.setattr(phases, "perf_counter", lambda: next(clock))

    # given DNS 2, an address in vain 7, then an attempt: connect 10, TLS 20
    progress = Progress(100.0)
    progress.enter(Phase.DNS)
    progress.connecting("192.0.2.1", 443)
    progress.connecting("192.0.2.2", 443)
    progress.enter(Phase.TLS)
    # when
    progress.discard_attempt()
    # then only what comes after it is added
    progress.connecting(progress.address, 443)
    progress.enter(Phase.TLS)
    timings = progress.stop()
    assert (timings.dns_ms, timings.connect_ms, timings.tls_ms) == (2000, 8000, 2000)
    assert progress.deadline_s == 130.0
    assert progress.discarded


@pytest.mark.parametrize(
    ("four", "six", "expected"),
    [
        ("abc", "xyz", ["a", "x", "b", "y"]),
        ("abcdef", "", ["a", "b", "c", "d"]),
        ("", "xy", ["x", "y"]),
        ("a", "xyz", ["a", "x", "y", "z"]),
        ("", "", []),
    ],
)
def test_addresses_of_both_families_alternate(four, six, expected):
    assert interleaved(four, six) == expected
