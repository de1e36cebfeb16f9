"""The counters of a worker as metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from monitor.metrics.prometheus import counter, gauge, histogram
from monitor.metrics.worker_stats import Meter


class WorkerMetrics(Collector):
    """What one process of a region has counted, and its checks in progress.

    ``slots``: how many checks may be in progress; ``used`` and ``late``: how many are, and how many
    of them for longer than their batch waited.
    """

    def __init__(
        self,
        region: str,
        meter: Meter,
        slots: int,
        used: Callable[[], int],
        late: Callable[[], int],
    ) -> None:
        self._region = region
        self._meter = meter
        self._slots = slots
        self._used = used
        self._late = late

    def collect(self) -> Iterator[Metric]:
        yield from self._checks()
        yield from self._handshakes()
        yield from self._ticks()
        yield from self._under_way()

    def _checks(self) -> Iterator[Metric]:
        meter, region = self._meter, self._region
        outcomes = sorted(dict(meter.outcomes).items(), key=str)
        yield counter(
            "monitor_checks",
            "Checks settled, by result and reason; empty: none was needed.",
            ("region", "result", "reason"),
            [((region, result.name.lower(), reason or ""), n) for (result, reason), n in outcomes],
        )
        yield histogram(
            "monitor_check_duration_seconds",
            "Time spent in the phases of a check; waiting for a slot is not among them.",
            ("region", region), meter.check_s,
        )  # fmt: skip
        yield histogram(
            "monitor_batch_lag_seconds",
            "From the slot of a batch to its checks being stored; late checks come as a group.",
            ("region", region), meter.lag_s,
        )  # fmt: skip
        yield counter(
            "monitor_flips", "Verdicts of the region that changed, each time one was sent.",
            ("region",), [((region,), meter.flips)],
        )  # fmt: skip

    def _handshakes(self) -> Iterator[Metric]:
        counts, region = self._meter.handshakes, self._region
        yield counter(
            "monitor_tls_handshakes", "TLS handshakes of checks that ended, by kind.",
            ("region", "kind"),
            [((region, kind), n) for kind, n in counts.by_kind.items()],
        )  # fmt: skip
        yield gauge(
            "monitor_known_chains", "Certificate chains that are known from verified handshakes.",
            ("region",), [((region,), counts.known_chains)],
        )  # fmt: skip

    def _ticks(self) -> Iterator[Metric]:
        meter, region = self._meter, self._region
        yield counter(
            "monitor_ticks", "Ticks, by whether their store took them or Redis keeps them.",
            ("region", "fate"),
            [((region, "written"), meter.ticks_written), ((region, "kept"), meter.ticks_kept)],
        )  # fmt: skip
        yield counter(
            "monitor_tick_chunks_dropped", "Chunks of kept ticks that went for newer ones.",
            ("region",), [((region,), meter.chunks_dropped)],
        )  # fmt: skip
        yield histogram(
            "monitor_tick_write_duration_seconds",
            "How long a batch waited for its ticks to be in their store.",
            ("region", region), meter.tick_write_s,
        )  # fmt: skip

    def _under_way(self) -> Iterator[Metric]:
        used = self._used()
        yield gauge(
            "monitor_check_slots", "MONITOR_CONCURRENCY, by whether a check has the slot.",
            ("region", "state"),
            [((self._region, "used"), used), ((self._region, "free"), self._slots - used)],
        )  # fmt: skip
        yield gauge(
            "monitor_stragglers", "Checks under way for longer than their batch waited.",
            ("region",), [((self._region,), self._late())],
        )  # fmt: skip


class ProcessMetrics(Collector):
    """What every worker counts: how late its event loop is, and points that no store keeps."""

    def __init__(self, role: str, meter: Meter) -> None:
        self._role = role
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        yield histogram(
            "monitor_event_loop_delay_seconds",
            "By how much a timer of the event loop was late, looked at twice a second.",
            ("role", self._role), self._meter.loop_delay_s,
        )  # fmt: skip
        dropped = sorted(dict(self._meter.points_dropped).items())
        yield counter(
            "monitor_tick_store_dropped_points",
            "Ticks and roll-ups that the tick store keeps out for good.",
            ("role", "reason"),
            [((self._role, reason), points) for reason, points in dropped],
        )
