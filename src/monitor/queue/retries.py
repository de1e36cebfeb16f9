"""Queueing messages again: those that failed, and those that another worker is to process."""

from __future__ import annotations

from typing import Any

from dramatiq.errors import Retry
from dramatiq.middleware import Retries


class Requeue(Retry):
    """Another worker is to process the message. That is not a failure."""


class FailureRetries(Retries):
    """Retries failed messages up to their limit; messages that are requeued do not count."""

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
    ) -> None:
        if isinstance(exception, Requeue):
            # Dramatiq is about to count one more.
            message.options["retries"] = message.options.get("retries", 0) - 1
        super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call] # Dramatiq's
