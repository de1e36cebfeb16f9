"""Metrics of requests refused for their key or a rate limit, and of tries to sign in."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from monitor.domain.access import Refusal
from monitor.domain.people import SignInResult


class AccessMetrics:
    """Counters of refused requests and of tries to sign in; every series starts at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._unauthenticated = Counter(
            "monitor_http_unauthenticated", "Requests without a valid API key, by reason.",
            ("reason",), registry=registry,
        )  # fmt: skip
        self._limited = Counter(
            "monitor_http_rate_limited", "Requests over a rate limit, by limit.",
            ("limit",), registry=registry,
        )  # fmt: skip
        self._sign_ins = Counter(
            "monitor_sign_ins", "Tries of people to sign in, by result.",
            ("result",), registry=registry,
        )  # fmt: skip
        for result in SignInResult:
            self._sign_ins.labels(result.value)
        for reason in Refusal:
            self._unauthenticated.labels(reason.value)
        for limit in ("requests", "wrong_keys"):
            self._limited.labels(limit)

    def unauthenticated(self, reason: Refusal) -> None:
        """Count a request without a valid key."""
        self._unauthenticated.labels(reason.value).inc()

    def sign_in(self, result: SignInResult) -> None:
        """Count a try to sign in."""
        self._sign_ins.labels(result.value).inc()

    def limited(self, limit: str) -> None:
        """Count a request over a limit: ``requests`` or ``wrong_keys``."""
        self._limited.labels(limit).inc()
