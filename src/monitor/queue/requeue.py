"""Giving a message back when the worker is to end, instead of finishing or failing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec

from dramatiq.asyncio import async_to_sync
from dramatiq.middleware import Shutdown

from monitor.queue.retries import HandedBack

P = ParamSpec("P")

_BACK_IN_MS = 100


def handed_back(actor: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async actor; where the worker's end interrupts it, queue its message again.

    What was interrupted is cancelled, and has left nothing that running it again would double.
    """
    run = async_to_sync(actor)

    @wraps(actor)
    def sync_actor(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            run(*args, **kwargs)
        except Shutdown:
            raise HandedBack("the worker is to end", delay=_BACK_IN_MS) from None

    return sync_actor
