"""What actors do with their messages: read them, requeue them at shutdown, skip them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from dramatiq.asyncio import async_to_sync
from dramatiq.middleware import Shutdown, SkipMessage

from monitor.domain import messages
from monitor.domain.errors import BadMessage, Unavailable
from monitor.domain.messages import CheckBatch, CheckWebsites, Deliver, RecordFlips
from monitor.queue.retries import Requeue
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

P = ParamSpec("P")
PayloadT = TypeVar("PayloadT", CheckBatch, CheckWebsites, RecordFlips, Deliver)

_REQUEUE_DELAY_MS = 100


def decode_payload(payload: object, kind: type[PayloadT]) -> PayloadT:
    """Decode a payload; log one that is malformed.

    Raises BadMessage, which actors declare in ``throws``, so that it is not retried.
    """
    try:
        return messages.decode(payload, kind)
    except BadMessage as error:
        log.error("message.refused", kind=kind.__name__, error=str(error))  # noqa: TRY400 - its sentence says all
        raise


def requeue_on_shutdown(actor: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async actor; if the worker's shutdown interrupts it, queue its message again.

    The interrupted coroutine is cancelled. Its actor must be safe to run again from the start.
    """
    run = async_to_sync(actor)

    @wraps(actor)
    def sync_actor(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            run(*args, **kwargs)
        except Shutdown:
            raise Requeue("the worker is shutting down", delay=_REQUEUE_DELAY_MS) from None

    return sync_actor


def skip_if_unavailable(actor: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a periodic async actor; if a store is unavailable, skip its message and log one line.

    The next period does the work. Failing instead would leave a useless dead letter for each
    minute of an outage.
    """
    run = async_to_sync(actor)

    @wraps(actor)
    def sync_actor() -> None:
        try:
            run()
        except Unavailable as error:
            log.warning("periodic.skipped", actor=actor.__name__, error=str(error))
            raise SkipMessage("it runs again in a minute") from None

    return sync_actor
