"""Messages that are queued again: those that failed, and those that somebody else is to do."""

from __future__ import annotations

from typing import Any

from dramatiq.errors import Retry
from dramatiq.middleware import Retries


class HandedBack(Retry):
    """Somebody else is to do it. That is no failure."""


class RetriesOfFailures(Retries):
    """Queues again what failed, so often and no more, and what was handed back however often."""

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
    ) -> None:
        if isinstance(exception, HandedBack):
            # One more is counted in a moment.
            message.options["retries"] = message.options.get("retries", 0) - 1
        super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call] # Dramatiq's
