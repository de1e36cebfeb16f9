"""Giving a message back when the worker is to end, instead of finishing or failing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from dramatiq.asyncio import async_to_sync
from dramatiq.errors import Retry
from dramatiq.middleware import Shutdown

_BACK_IN_MS = 100


def handed_back(actor: Callable[[Any], Awaitable[None]]) -> Callable[[Any], None]:
    """Run an async actor; where the worker's end interrupts it, queue its message again.

    What was interrupted is cancelled, and has left nothing that running it again would double.
    """
    run = async_to_sync(actor)

    @wraps(actor)
    def sync_actor(payload: Any) -> None:
        try:
            run(payload)
        except Shutdown:
            raise Retry("the worker is to end", delay=_BACK_IN_MS) from None

    return sync_actor
