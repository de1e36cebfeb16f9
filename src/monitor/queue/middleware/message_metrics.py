"""Counts the messages of a worker process, by actor."""

from __future__ import annotations

import threading
import time
from typing import Any

from dramatiq.middleware import Middleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitor.queue.retries import Requeue

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class MessageMetrics(Middleware):
    """Counts messages and the time that they occupied the worker's threads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.threads = 1
        self._lock = threading.Lock()
        self._begun: dict[str, float] = {}
        self._held_s = 0.0
        self._ended = Counter(
            "monitor_messages", "Messages processed: done, failed, handed_back or skipped.",
            ("actor", "outcome"), registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "monitor_message_duration_seconds", "How long a message occupied a thread.",
            ("actor",), buckets=_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self._in_progress = Gauge(
            "monitor_messages_in_progress", "Messages in progress; of check_batch: batches.",
            ("actor",), registry=registry,
        )  # fmt: skip
        self._queued = Counter(
            "monitor_messages_scheduled", "Periodic messages and retries that were queued.",
            ("actor",), registry=registry,
        )  # fmt: skip

    def held_s(self) -> float:
        """Sum of the seconds that messages occupied threads, those in progress included."""
        with self._lock:
            now = time.monotonic()
            return self._held_s + sum(now - begun for begun in self._begun.values())

    def before_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        self.threads = worker.worker_threads

    def after_enqueue(self, broker: Any, message: Any, delay: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        self._queued.labels(message.actor_name).inc()

    def before_process_message(self, broker: Any, message: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        with self._lock:
            self._begun[message.message_id] = time.monotonic()
        self._in_progress.labels(message.actor_name).inc()

    def after_process_message(
        self,
        broker: Any,  # noqa: ARG002 - Dramatiq's signature
        message: Any,
        *,
        result: Any = None,  # noqa: ARG002 - Dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        if exception is None:
            self._end(message, "done")
        else:
            self._end(message, "handed_back" if isinstance(exception, Requeue) else "failed")

    def after_skip_message(self, broker: Any, message: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        self._end(message, "skipped")

    def _end(self, message: Any, outcome: str) -> None:
        with self._lock:
            begun = self._begun.pop(message.message_id, None)
            took_s = 0.0 if begun is None else time.monotonic() - begun
            self._held_s += took_s
        self._in_progress.labels(message.actor_name).dec()
        self._ended.labels(message.actor_name, outcome).inc()
        self._seconds.labels(message.actor_name).observe(took_s)
