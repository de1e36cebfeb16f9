"""The installation as metrics: the same from every API process, labelled by region or queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import nlargest

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from monitor.metrics.prometheus import Labelled, counter, gauge
from monitor.services.workers.installation import Installation, RedisView, RegionView
from monitor.storage.postgres.counts import Figures
from monitor.storage.redis.queues import QueueDepth
from monitor.storage.redis.regions import (
    CHECKED_DOWN,
    CHECKED_UP,
    DROPPED_BATCHES,
    DROPPED_TICKS,
    NOT_MEASURED,
)

RINGS_NAMED = 20
"""A region's largest rings have a series each, the others share one: intervals are chosen by users
and may be any of 86,000."""

_REGION = ("region",)
_RESULTS = {"up": CHECKED_UP, "down": CHECKED_DOWN, "not_measured": NOT_MEASURED}


class InstallationMetrics(Collector):
    """A snapshot of the installation, as a collector."""

    def __init__(self, seen: Installation) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        yield _stores(self._seen)
        if self._seen.redis is not None:
            yield from _of_redis(self._seen.redis)
        if self._seen.postgres is not None:
            yield from _of_postgres(self._seen.postgres)


def _stores(seen: Installation) -> Metric:
    answered = {"postgres": seen.postgres is not None, "redis": seen.redis is not None}
    return gauge(
        "monitor_store_up",
        "Whether this store answered; without it the metrics read from it are missing.",
        ("store",),
        [((name,), float(up)) for name, up in answered.items()],
    )


def _of_redis(view: RedisView) -> Iterator[Metric]:
    depths = {f"checks.{r.name}": r.queue for r in view.regions} | view.queues
    owner = {f"checks.{r.name}": r.name for r in view.regions}
    labelled = [((owner.get(queue, ""), queue), depth) for queue, depth in depths.items()]
    yield from _queues(labelled)
    yield from _regions(view.regions)
    yield from _checks(view.regions)
    yield gauge(
        "monitor_kept_ticks_bytes", "Ticks in Redis that the tick store would not take.", (),
        [((), view.buffered.size_bytes)],
    )  # fmt: skip
    yield gauge(
        "monitor_kept_ticks_chunks", "The same, in chunks.", (), [((), view.buffered.chunks)]
    )


def _queues(depths: list[tuple[tuple[str, str], QueueDepth]]) -> Iterator[Metric]:
    states: dict[str, Callable[[QueueDepth], int]] = {
        "waiting": lambda d: d.waiting,
        "delayed": lambda d: d.delayed,
        "taken": lambda d: d.taken,
        "dead": lambda d: d.dead,
    }
    yield gauge(
        "monitor_queue_messages",
        "Messages: waiting for a worker, delayed until they are due, taken by a worker, or dead.",
        ("region", "queue", "state"),
        [((*of, state), read(d)) for of, d in depths for state, read in states.items()],
    )
    yield gauge(
        "monitor_queue_due_lag_seconds",
        "How long the oldest message is due that no worker has taken; 0 where none is due.",
        ("region", "queue"),
        [(of, d.due_lag_s) for of, d in depths],
    )


def _regions(regions: list[RegionView]) -> Iterator[Metric]:
    def each(read: Callable[[RegionView], float | None]) -> list[Labelled]:
        return [((r.name,), v) for r in regions if (v := read(r)) is not None]

    yield gauge(
        "monitor_ring_websites", "Websites by how often they are checked from a region.",
        ("region", "interval_seconds"), _rings(regions),
    )  # fmt: skip
    described: tuple[tuple[str, str, Callable[[RegionView], float | None]], ...] = (
        ("demand_checks_per_second", "Checks that are due.", lambda r: r.demand_per_s),
        ("capacity_checks_per_second", "Checks its workers could make; absent until measured.",
         lambda r: r.load.capacity_per_s),
        ("throughput_checks_per_second", "Checks its workers made in the last minute.",
         lambda r: r.load.checks_per_s),
        ("workers", "Worker processes seen in the last 45 s.", lambda r: r.load.processes),
        ("worker_slots", "Checks that they may have under way at once.",
         lambda r: r.load.concurrency),
        ("utilisation_ratio", "The busy share of what they have least of, in the last minute.",
         lambda r: r.load.utilisation if r.load.processes else None),
        ("last_seen_timestamp_seconds", "When a batch was last finished.",
         lambda r: r.report.seen_at_s if r.report else None),
        ("network_up", "Whether the region had a network then.",
         lambda r: float(r.report.network == "ok") if r.report else None),
    )  # fmt: skip
    for name, help_text, read in described:
        yield gauge(f"monitor_region_{name}", help_text, _REGION, each(read))


def _rings(regions: Iterable[RegionView]) -> Iterator[Labelled]:
    for region in regions:
        largest = nlargest(RINGS_NAMED, region.rings.items(), key=lambda ring: (ring[1], ring[0]))
        for interval_s, websites in largest:
            yield (region.name, str(interval_s)), websites
        others = sum(region.rings.values()) - sum(websites for _, websites in largest)
        if others:
            yield (region.name, "other"), others


def _checks(regions: list[RegionView]) -> Iterator[Metric]:
    yield counter(
        "monitor_region_checks",
        "Checks that were due, by result; those of dropped batches are not measured.",
        ("region", "result"),
        [((r.name, result), r.counters.get(name, 0))
         for r in regions for result, name in _RESULTS.items()],
    )  # fmt: skip
    dropped = {
        "dropped_batches": (DROPPED_BATCHES, "Batches that no worker processed in time."),
        "dropped_tick_chunks": (DROPPED_TICKS, "Chunks of kept ticks that went for newer ones."),
    }
    for metric, (name, help_text) in dropped.items():
        values = [((r.name,), r.counters.get(name, 0)) for r in regions]
        yield counter(f"monitor_region_{metric}", help_text, _REGION, values)


def _of_postgres(figures: Figures) -> Iterator[Metric]:
    yield gauge(
        "monitor_outbox_notifications",
        "Notifications: queued, those of them that are overdue, and given up. At most 100,000.",
        ("state",),
        [(("queued",), figures.queued), (("overdue",), figures.overdue),
         (("failed",), figures.failed)],
    )  # fmt: skip
    plain = (
        ("outbox_overdue_seconds", "How long the oldest one is due; 0: none.", figures.overdue_s),
        ("open_incidents", "Websites that are down. At most 100,000.", figures.open_incidents),
        ("unsynced_changes", "Changes Redis has yet to show. At most 100,000.", figures.unsynced),
        ("unsynced_changes_age_seconds", "The age of the oldest; 0: none.", figures.unsynced_s),
    )
    for name, help_text, value in plain:
        yield gauge(f"monitor_{name}", help_text, (), [((), value)])
