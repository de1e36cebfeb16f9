"""Queueing messages again: those that failed, and those that another worker is to process."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from dramatiq.errors import Retry
from dramatiq.middleware import Retries

from monitor.domain.errors import Unavailable
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Requeue(Retry):
    """Another worker is to process the message. That is not a failure."""


class StoreUnavailable(Retry):
    """The message failed for want of a store. Dramatiq logs no traceback of a Retry."""


def retry_if_unavailable(actor: Callable[P, R]) -> Callable[P, R]:
    """Fail with one line in the log while a store is unavailable; the message is retried."""

    @wraps(actor)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return actor(*args, **kwargs)
        except Unavailable as error:
            name = getattr(actor, "__name__", "")
            log.warning("message.failed", actor=name, error=str(error))
            raise StoreUnavailable(str(error)) from None

    return quiet


class FailureRetries(Retries):
    """Retries failed messages up to their limit; messages that are requeued do not count."""

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
    ) -> None:
        if isinstance(exception, Requeue):
            # Dramatiq is about to count one more.
            message.options["retries"] = message.options.get("retries", 0) - 1
        super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call] # Dramatiq's
