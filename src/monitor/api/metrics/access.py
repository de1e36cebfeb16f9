"""Counts refused requests."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from monitor.domain.access import Refusal


class AccessMetrics:
    """Counters in a registry; each series exists from the start, at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._unauthenticated = Counter(
            "monitor_http_unauthenticated", "Requests without a key that works, by why.",
            ("reason",), registry=registry,
        )  # fmt: skip
        self._limited = Counter(
            "monitor_http_rate_limited", "Requests that were one too many, by of what.",
            ("limit",), registry=registry,
        )  # fmt: skip
        for reason in Refusal:
            self._unauthenticated.labels(reason.value)
        for limit in ("requests", "wrong_keys"):
            self._limited.labels(limit)

    def unauthenticated(self, reason: Refusal) -> None:
        """Count a request without a valid key."""
        self._unauthenticated.labels(reason.value).inc()

    def limited(self, limit: str) -> None:
        """Count a request over the limit of ``requests`` or ``wrong_keys``."""
        self._limited.labels(limit).inc()
