"""Metrics of all requests to this process, including those that match no route."""

from __future__ import annotations

import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Histogram

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """A histogram of request durations by route, method and status class."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "monitor_http_request_duration_seconds",
            "Time from receiving the head of a request to sending the last byte of its response.",
            ("route", "method", "status"),
            buckets=_BUCKETS_S,
            registry=registry,
        )

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The application with its requests observed."""

        async def observed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            start, status = time.perf_counter(), "none"

            async def send_observed(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = f"{message['status'] // 100}xx"
                await send(message)

            try:
                await app(scope, receive, send_observed)
            finally:
                self._observe(scope, status, time.perf_counter() - start)

        return observed

    def _observe(self, scope: Scope, status: str, took_s: float) -> None:
        # An unrouted request has no template, and its path may be anything.
        route = scope.get("path_template") or "unmatched"
        method = str(scope.get("method"))
        label = method if method in _METHODS else "other"
        self._seconds.labels(route, label, status).observe(took_s)
