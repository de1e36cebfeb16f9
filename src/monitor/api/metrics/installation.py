"""Metrics of the installation, by region or queue; every API process reports the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import nlargest

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from monitor.domain.delivery import Fault
from monitor.metrics.prometheus import Labelled, counter, gauge
from monitor.services.notifications.health import CHANNELS
from monitor.services.workers.installation import Installation, RedisView, RegionView
from monitor.storage.postgres.channels import Failing
from monitor.storage.postgres.counts import Figures
from monitor.storage.postgres.rolled_up_days import DaysDone
from monitor.storage.redis.queues import QueueDepth
from monitor.storage.redis.regions import (
    CHECKED_DOWN,
    CHECKED_UP,
    DROPPED_BATCHES,
    DROPPED_TICKS,
    NOT_MEASURED,
)

RINGS_NAMED = 20
"""How many of a region's largest rings have their own series; the rest share one. Users choose the
intervals, so there can be up to 86,000."""

_REGION = ("region",)
_RESULTS = {"up": CHECKED_UP, "down": CHECKED_DOWN, "not_measured": NOT_MEASURED}


class InstallationMetrics(Collector):
    """Collects the metrics of one snapshot of the installation."""

    def __init__(self, snapshot: Installation) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield _stores(self._snapshot)
        if self._snapshot.redis is not None:
            yield from _of_redis(self._snapshot.redis)
        if self._snapshot.postgres is not None:
            yield from _of_postgres(self._snapshot.postgres.figures)
            yield _days(self._snapshot.postgres.days)
            yield _channels(self._snapshot.postgres.failing)


def _stores(snapshot: Installation) -> Metric:
    states = {"postgres": snapshot.postgres is not None, "redis": snapshot.redis is not None}
    return gauge(
        "monitor_store_up",
        "Whether this store responds; if not, the metrics read from it are absent.",
        ("store",),
        [((name,), float(up)) for name, up in states.items()],
    )


def _of_redis(view: RedisView) -> Iterator[Metric]:
    depths = {f"checks.{r.name}": r.queue for r in view.regions} | view.queues
    owner = {f"checks.{r.name}": r.name for r in view.regions}
    labelled = [((owner.get(queue, ""), queue), depth) for queue, depth in depths.items()]
    yield from _queues(labelled)
    yield from _regions(view.regions)
    yield from _checks(view.regions)
    yield gauge(
        "monitor_kept_ticks_bytes", "Ticks kept in Redis until the tick store accepts them.", (),
        [((), view.buffered.size_bytes)],
    )  # fmt: skip
    yield gauge(
        "monitor_kept_ticks_chunks", "The same ticks, in chunks.", (), [((), view.buffered.chunks)]
    )
    lag_s = view.rollup_lag_s
    yield gauge(
        "monitor_rollup_lag_seconds",
        "How long the last hour that is rolled up has been over; absent until one is.",
        (),
        [] if lag_s is None else [((), lag_s)],
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
        "Messages by state: waiting, delayed until due, taken by a worker, or dead.",
        ("region", "queue", "state"),
        [((*of, state), read(d)) for of, d in depths for state, read in states.items()],
    )
    yield gauge(
        "monitor_queue_due_lag_seconds",
        "How long the oldest untaken message has been due; 0 if none is.",
        ("region", "queue"),
        [(of, d.due_lag_s) for of, d in depths],
    )


def _regions(regions: list[RegionView]) -> Iterator[Metric]:
    def each(read: Callable[[RegionView], float | None]) -> list[Labelled]:
        return [((r.name,), v) for r in regions if (v := read(r)) is not None]

    yield gauge(
        "monitor_ring_websites", "Websites checked from a region, by interval.",
        ("region", "interval_seconds"), _rings(regions),
    )  # fmt: skip
    described: tuple[tuple[str, str, Callable[[RegionView], float | None]], ...] = (
        ("demand_checks_per_second", "Checks that are due.", lambda r: r.demand_per_s),
        ("capacity_checks_per_second", "Checks its workers can make; absent until measured.",
         lambda r: r.load.capacity_per_s),
        ("throughput_checks_per_second", "Checks its workers made in the last minute.",
         lambda r: r.load.checks_per_s),
        ("workers", "Worker processes seen in the last 45 s.", lambda r: r.load.processes),
        ("worker_slots", "Maximum concurrent checks of these workers.",
         lambda r: r.load.concurrency),
        ("utilisation_ratio", "Utilisation of the scarcest worker resource in the last minute.",
         lambda r: r.load.utilisation if r.load.processes else None),
        ("last_seen_timestamp_seconds", "When the region last finished a batch.",
         lambda r: r.report.seen_at_s if r.report else None),
        ("network_up", "Whether its last batch had network access.",
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
        "Due checks by result; those of dropped batches count as not measured.",
        ("region", "result"),
        [((r.name, result), r.counters.get(name, 0))
         for r in regions for result, name in _RESULTS.items()],
    )  # fmt: skip
    dropped = {
        "dropped_batches": (
            DROPPED_BATCHES,
            "Batches dropped because no worker processed them in time.",
        ),
        "dropped_tick_chunks": (
            DROPPED_TICKS,
            "Chunks of kept ticks dropped to make room for newer ones.",
        ),
    }
    for metric, (name, help_text) in dropped.items():
        values = [((r.name,), r.counters.get(name, 0)) for r in regions]
        yield counter(f"monitor_region_{metric}", help_text, _REGION, values)


def _days(days: DaysDone | None) -> Metric:
    return gauge(
        "monitor_last_rolled_up_day_timestamp_seconds",
        "Where the last day (UTC) that is rolled up begins, in Unix time; absent until one is.",
        (),
        [] if days is None else [((), days.last_s)],
    )


def _of_postgres(figures: Figures) -> Iterator[Metric]:
    yield gauge(
        "monitor_outbox_notifications",
        "Notifications: queued, overdue among those, and failed. Counted up to 100,000.",
        ("state",),
        [(("queued",), figures.queued), (("overdue",), figures.overdue),
         (("failed",), figures.failed)],
    )  # fmt: skip
    plain = (
        ("outbox_overdue_seconds", "How overdue the oldest notification is.", figures.overdue_s),
        ("open_incidents", "Open incidents. Counted up to 100,000.", figures.open_incidents),
        ("unsynced_changes", "Changes not yet in Redis. Counted up to 100,000.", figures.unsynced),
        (
            "unsynced_changes_age_seconds",
            "Age of the oldest change; 0 if none.",
            figures.unsynced_s,
        ),
        (
            "not_measured_websites",
            "Active websites of which no region has a fresh verdict. Counted up to 100,000.",
            figures.not_measured,
        ),
        (
            "user_sessions",
            "Sessions of people, with those just over. Counted up to 100,000.",
            figures.sessions,
        ),
    )
    for name, help_text, value in plain:
        yield gauge(f"monitor_{name}", help_text, (), [((), value)])
    if figures.list_figures_s is not None:
        yield gauge(
            "monitor_list_figures_timestamp_seconds",
            "The end of the last hour in what lists are sorted by; absent before the first.",
            (),
            [((), figures.list_figures_s)],
        )


def _channels(failing: Iterable[Failing]) -> Metric:
    faults = {one.channel: one.fault for one in failing}
    return gauge(
        "monitor_channel_failing",
        "1: deliveries over this channel fail for this, and none succeeded since.",
        ("channel", "fault"),
        [
            ((channel, fault.value), float(faults.get(channel) is fault))
            for channel in CHANNELS
            for fault in Fault
            if fault is not Fault.RECIPIENT
        ],
    )
