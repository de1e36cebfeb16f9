"""Periodic work that a store which is away lets wait: its next turn does what this one did not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from dramatiq.asyncio import async_to_sync
from dramatiq.middleware import SkipMessage

from monitor.domain.errors import Unavailable
from monitor.runtime.logging import get_logger

log = get_logger(__name__)


def comes_again(actor: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run an async actor; where a store is away, skip its message with one line in the log.

    Failed, each minute of an outage would leave a dead letter that nobody can use.
    """
    run = async_to_sync(actor)

    @wraps(actor)
    def sync_actor() -> None:
        try:
            run()
        except Unavailable as error:
            log.warning("periodic.put_off", actor=actor.__name__, error=str(error))
            raise SkipMessage("its next turn comes in a minute") from None

    return sync_actor
