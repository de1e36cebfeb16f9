"""What a worker process counts of its own work: plain numbers, updated once a batch.

Only the event loop writes them; the thread that serves /metrics reads them. One number may be a
batch newer than another, but none is torn.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from monitor.domain.outcome import Outcome, Reason, Result

CHECK_EDGES_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
LAG_EDGES_S = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
WRITE_EDGES_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
DELAY_EDGES_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Tally:
    """A histogram in plain numbers: ``counts[i]`` values in (edges[i - 1], edges[i]]."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value

    def observe_all(self, values: Iterable[float], scale: float = 1.0) -> None:
        """Observe many values, each times ``scale``: sorted once, each edge found once."""
        ordered = sorted(values)
        begin = 0
        for number, edge in enumerate(self.edges):
            end = bisect_right(ordered, edge / scale, begin)
            self.counts[number] += end - begin
            begin = end
        self.counts[-1] += len(ordered) - begin
        self.total += sum(ordered) * scale


class HandshakeCounts:
    """TLS handshakes that ended, by kind: ``verified`` against the trust store, ``fast`` by a chain
    that was verified before, ``discarded`` ones that began as fast, ``unverified`` ones of websites
    that have it so. ``known_chains``: chains that are kept now."""

    def __init__(self) -> None:
        self.by_kind = {"verified": 0, "fast": 0, "discarded": 0, "unverified": 0}
        self.known_chains = 0


class Meter:
    """The counts of one process. Times are in seconds."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[Result, Reason | None]] = Counter()
        self.check_s = Tally(CHECK_EDGES_S)
        self.lag_s = Tally(LAG_EDGES_S)
        self.tick_write_s = Tally(WRITE_EDGES_S)
        self.loop_delay_s = Tally(DELAY_EDGES_S)
        self.handshakes = HandshakeCounts()
        self.checks = 0
        self.flips = 0
        self.ticks_written = 0
        self.ticks_kept = 0
        self.chunks_dropped = 0
        self.points_dropped: Counter[str] = Counter()

    def settled(self, outcomes: Sequence[Outcome], flips: int, lag_s: float) -> None:
        """Count checks of one slot that were stored ``lag_s`` seconds after it began."""
        self.checks += len(outcomes)
        self.outcomes.update([(o.result, o.reason) for o in outcomes])
        self.check_s.observe_all([_took_ms(o) for o in outcomes], 0.001)
        self.flips += flips
        self.lag_s.observe(max(lag_s, 0.0))

    def wrote_ticks(self, ticks: int, took_s: float) -> None:
        """Count stored ticks; ``took_s`` includes waiting for others to share the write."""
        self.ticks_written += ticks
        self.tick_write_s.observe(took_s)

    def kept_ticks(self, ticks: int, dropped_chunks: int) -> None:
        """Count ticks that were buffered in Redis, and the older chunks dropped to make room."""
        self.ticks_kept += ticks
        self.chunks_dropped += dropped_chunks

    def dropped_points(self, reason: str, points: int) -> None:
        """Count ticks and roll-ups that the tick store keeps out for good."""
        self.points_dropped[reason] += points


def _took_ms(outcome: Outcome) -> float:
    # If there was a response, its phases are added up already.
    return outcome.timings.total_ms if outcome.response_ms is None else outcome.response_ms
