"""Metrics of requests refused for their key or a rate limit."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from monitor.domain.access import Refusal


class AccessMetrics:
    """Counters of refused requests; every series starts at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._unauthenticated = Counter(
            "monitor_http_unauthenticated", "Requests without a valid API key, by reason.",
            ("reason",), registry=registry,
        )  # fmt: skip
        self._limited = Counter(
            "monitor_http_rate_limited", "Requests over a rate limit, by limit.",
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
        """Count a request over a limit: ``requests`` or ``wrong_keys``."""
        self._limited.labels(limit).inc()
