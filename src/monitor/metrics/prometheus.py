"""Plain numbers as Prometheus metrics, and a registry of them as text (format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, disable_created_metrics
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.utils import floatToGoString

from monitor.metrics.worker_stats import Tally

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# Each counter would have a second series with its creation time, which nothing here reads.
disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus_client's

Labelled = tuple[Sequence[str], float]
"""The values of a metric's labels, and the metric's."""


def process_registry() -> CollectorRegistry:
    """A registry with this process's CPU, memory and file descriptors in it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def text(registry: CollectorRegistry) -> bytes:
    return generate_latest(registry)


def gauge(name: str, help: str, labels: Sequence[str], values: Iterable[Labelled]) -> Metric:  # noqa: A002
    """A gauge with a sample for each set of labels."""
    family = GaugeMetricFamily(name, help, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def counter(name: str, help: str, labels: Sequence[str], values: Iterable[Labelled]) -> Metric:  # noqa: A002
    """A counter; its samples are called ``name`` + ``_total``."""
    family = CounterMetricFamily(name, help, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def histogram(name: str, help: str, label: tuple[str, str], tally: Tally) -> Metric:  # noqa: A002
    """A tally as a histogram with one label: its name and its value."""
    family = HistogramMetricFamily(name, help, labels=label[:1])
    edges = [*map(floatToGoString, tally.edges), "+Inf"]
    counts = accumulate(tally.counts)
    family.add_metric(label[1:], list(zip(edges, counts, strict=True)), tally.total)
    return family
